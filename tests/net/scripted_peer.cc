#include "tests/net/scripted_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>

#include "common/base/result.h"

namespace logtail::net {
namespace {

template <auto F>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    F(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Tls = std::unique_ptr<SSL, Free<SSL_free>>;
using CFile = std::unique_ptr<std::FILE, Free<std::fclose>>;

void addExtension(X509* certificate, int id, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

}  // namespace

TestCertificate::TestCertificate(const std::string& dnsName) {
  std::string path = std::filesystem::temp_directory_path() / "logtail-tls-XXXXXX";
  LOGTAIL_ASSERT(::mkdtemp(path.data()) != nullptr);
  directory_ = path;
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("logtail test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  addExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  addExtension(certificate.get(), NID_subject_alt_name, "DNS:" + dnsName);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const CFile certificateFile(std::fopen(caFile().c_str(), "w"));
  PEM_write_X509(certificateFile.get(), certificate.get());
  const CFile out(std::fopen(keyFile().c_str(), "w"));
  PEM_write_PrivateKey(out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
}

TestCertificate::~TestCertificate() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

ScriptedPeer::ScriptedPeer(std::string answer, const TestCertificate* certificate)
    : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  std::signal(SIGPIPE, SIG_IGN);  // SSL_write has no MSG_NOSIGNAL
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  LOGTAIL_ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  LOGTAIL_ASSERT(::listen(listener_, 4) == 0);
  socklen_t size = sizeof address;
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ =
      std::thread([this, answer = std::move(answer), certificate] { serve(answer, certificate); });
}

ScriptedPeer::~ScriptedPeer() {
  ::shutdown(listener_, SHUT_RDWR);  // wakes an accept that nobody came to
  thread_.join();
  ::close(listener_);
}

std::string ScriptedPeer::url(const std::string& scheme, const std::string& target) const {
  return scheme + "://127.0.0.1:" + std::to_string(port_) + target;
}

void ScriptedPeer::serve(const std::string& answer, const TestCertificate* certificate) {
  const int socket = ::accept(listener_, nullptr, nullptr);
  if (socket < 0) return;
  Context context;
  Tls tls;
  if (certificate != nullptr) {
    context.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate_file(context.get(), certificate->caFile().c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context.get(), certificate->keyFile().c_str(), SSL_FILETYPE_PEM);
    tls.reset(SSL_new(context.get()));
    SSL_set_fd(tls.get(), socket);
    if (SSL_accept(tls.get()) != 1) {
      ::close(socket);
      return;
    }
  }
  const auto read = [&](char* into, int size) {
    return tls ? SSL_read(tls.get(), into, size)
               : static_cast<int>(::recv(socket, into, static_cast<size_t>(size), 0));
  };
  std::string request;
  char buffer[4096];
  while (request.find("\r\n\r\n") == std::string::npos) {
    const int n = read(buffer, sizeof buffer);
    if (n <= 0) break;
    request.append(buffer, static_cast<size_t>(n));
  }
  request_.set_value(request);
  if (answer == kSilent) {
    while (read(buffer, sizeof buffer) > 0) {
    }
  } else if (tls) {
    SSL_write(tls.get(), answer.data(), static_cast<int>(answer.size()));
    SSL_shutdown(tls.get());
  } else {
    ::send(socket, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  ::close(socket);
}

}  // namespace logtail::net
