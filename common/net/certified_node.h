#pragma once
// Which node a certificate speaks for (docs/wire-format.md, "TLS"). Pure; any thread.

#include <cstdint>
#include <string>

struct x509_st;  // OpenSSL's X509

namespace logtail::net {

struct CertifiedNode {
  enum class Kind : uint8_t { kOne, kNone, kSeveral };
  Kind kind = Kind::kNone;
  std::string text;  // the node's name; for the others what the certificate says instead
};

// The subject's alternative names count, never its common name: each DNS name and each URI
// spiffe://DOMAIN/node/NAME names a node, and all of them must name the same.
CertifiedNode certifiedNode(const x509_st* certificate);

}  // namespace logtail::net
