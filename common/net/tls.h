#pragma once
// Certificates as both programs keep them: a directory with ca.crt, tls.crt and tls.key (PEM), the
// layout of a Kubernetes secret with its authority.
//
// Flow: directory -> TlsFiles -> context (tls_impl.h) -> connections. Any thread. Failure:
// kFixInput with the file's path and what is wrong with it; nobody is asked for a key's password.

#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace logtail::net {

enum class TlsSide : uint8_t {
  kClient,
  kServer,  // asks for a certificate, takes nobody without
};

struct TlsFiles {
  std::string directory;
  std::string authority;    // ca.crt: who may have signed the peer's certificate
  std::string certificate;  // tls.crt: our own, then those between it and the authority
  std::string key;          // tls.key, without a password

  uint64_t hash() const;  // of the three, to tell whether they changed
};

base::Result<TlsFiles> readTlsFiles(const std::string& directory);

// Whether a program could speak TLS with what the directory holds now.
base::Status checkTlsDirectory(const std::string& directory, TlsSide side);

}  // namespace logtail::net
