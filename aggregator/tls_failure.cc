#include "aggregator/tls_failure.h"

namespace logtail::aggregator {

const char* name(TlsFailure failure) {
  switch (failure) {
    case TlsFailure::kNotTls:
      return "not_tls";
    case TlsFailure::kVersion:
      return "version";
    case TlsFailure::kNoCertificate:
      return "no_certificate";
    case TlsFailure::kExpired:
      return "expired";
    case TlsFailure::kUntrusted:
      return "untrusted";
    case TlsFailure::kNoName:
      return "no_name";
    case TlsFailure::kSeveralNames:
      return "several_names";
    case TlsFailure::kOtherNode:
      return "other_node";
    case TlsFailure::kRefused:
      return "refused";
    case TlsFailure::kClosed:
      return "closed";
    case TlsFailure::kTimeout:
      return "timeout";
    case TlsFailure::kPushedOut:
      return "pushed_out";
    case TlsFailure::kOther:
      return "other";
  }
  return "other";
}

}  // namespace logtail::aggregator
