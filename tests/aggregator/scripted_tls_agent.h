#pragma once
// A scripted agent that speaks TLS by OpenSSL's own means, rightly or wrongly.

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "tests/aggregator/scripted_agent.h"

namespace logtail::aggregator {

class ScriptedTlsAgent final : public ScriptedAgent {
 public:
  // `directory` has ca.crt, tls.crt and tls.key; `maxVersion` 0: the newest.
  ScriptedTlsAgent(uint16_t port, const std::string& directory, bool certificate = true,
                   int maxVersion = 0)
      : ScriptedAgent(port), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_load_verify_locations(context_.get(), (directory + "/ca.crt").c_str(), nullptr);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    if (certificate) {
      SSL_CTX_use_certificate_chain_file(context_.get(), (directory + "/tls.crt").c_str());
      SSL_CTX_use_PrivateKey_file(context_.get(), (directory + "/tls.key").c_str(),
                                  SSL_FILETYPE_PEM);
    }
    if (maxVersion != 0) {
      SSL_CTX_set_cipher_list(context_.get(), "ALL:@SECLEVEL=0");  // TLS 1.1 needs SHA-1
      SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
      SSL_CTX_set_max_proto_version(context_.get(), maxVersion);
    }
    const int on = 1;
    setsockopt(socket(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket());
    ERR_clear_error();
    handshaken_ = SSL_connect(ssl_.get()) == 1;
    if (!handshaken_) noteError();
  }

  bool handshaken() const { return handshaken_; }
  // What OpenSSL said last, such as the alert that the aggregator sent; empty without an error.
  const std::string& said() const { return said_; }
  // Whether the aggregator's last word was close_notify: an end, not a break.
  bool endedInOrder() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0 && said_.empty();
  }
  std::string version() const { return SSL_get_version(ssl_.get()); }
  // The serial number of the aggregator's certificate.
  long serial() const {
    const X509* peer = SSL_get0_peer_certificate(ssl_.get());
    return peer == nullptr ? 0 : ASN1_INTEGER_get(X509_get0_serialNumber(peer));
  }
  void halfClose() override { SSL_shutdown(ssl_.get()); }

 private:
  ssize_t sendSome(std::string_view bytes) override {
    ERR_clear_error();
    const int sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (sent <= 0) noteError();
    return sent;
  }
  ssize_t receiveSome(std::span<char> into) override {
    ERR_clear_error();
    const int bytes = SSL_read(ssl_.get(), into.data(), static_cast<int>(into.size()));
    if (bytes <= 0) noteError();
    return bytes;
  }
  void noteError() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    if (reason != nullptr) said_ = reason;
  }

  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
  bool handshaken_ = false;
  std::string said_;
};

}  // namespace logtail::aggregator
