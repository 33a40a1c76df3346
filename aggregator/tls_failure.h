#pragma once
// Why a connection to a TLS port got no session: the `reason` of its counter, bounded.

#include <cstddef>
#include <cstdint>

namespace logtail::aggregator {

enum class TlsFailure : uint8_t {
  kNotTls,         // plain bytes
  kVersion,        // older than TLS 1.2, or no cipher in common
  kNoCertificate,  // none was sent
  kExpired,        // the certificate is not valid yet, or any more
  kUntrusted,      // not from ca.crt, or not good for a client
  kNoName,         // it names no node
  kSeveralNames,   // it names more than one
  kOtherNode,      // HELLO claims another node than it names
  kRefused,        // the agent refused our certificate
  kClosed,         // the peer went away
  kTimeout,        // not done within the bound
  kPushedOut,      // too many at once: the oldest goes
  kOther,
};
inline constexpr size_t kTlsFailures = 13;

const char* name(TlsFailure failure);

}  // namespace logtail::aggregator
