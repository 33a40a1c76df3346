#include "common/net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <chrono>

#include "common/base/checksum.h"
#include "common/base/file_system.h"
#include "common/net/tls_impl.h"

namespace logtail::net {
namespace {

namespace ssl = boost::asio::ssl;
using ErrorCode = boost::system::error_code;

constexpr uint64_t kMaxFile = 1 << 20;
// AES-128 first: as safe as anybody needs, and a fifth faster than AES-256.
constexpr char kCiphers12[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kCiphers13[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

base::Result<std::string> readPem(const std::string& path) {
  auto bytes = base::readFile(base::posixFileSystem(), path, kMaxFile);
  if (!bytes.ok()) return base::Error{base::Errc::kFixInput, bytes.message()};
  return bytes;
}

base::Error wrong(const std::string& path, const std::string& why) {
  return {base::Errc::kFixInput, path + ": " + why};
}

base::Error wrong(const std::string& path, const ErrorCode& error) {
  const int reason = error.category() == boost::asio::error::get_ssl_category()
                         ? ERR_GET_REASON(static_cast<unsigned long>(error.value()))
                         : 0;
  // For a certificate of our own and for a key OpenSSL names the layer that gave up, not why.
  const bool noPem = reason == PEM_R_NO_START_LINE || reason == PEM_R_BAD_END_LINE ||
                     reason == ERR_R_PEM_LIB || reason == ERR_R_UNSUPPORTED;
  return wrong(path, noPem ? "no whole PEM of the kind that belongs here" : error.message());
}

// Password callbacks of OpenSSL's own ask on the terminal.
int noPassword(char*, int, int, void*) {
  return -1;
}

void setDefaults(SSL_CTX* context, TlsSide side) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_cipher_list(context, kCiphers12);
  SSL_CTX_set_ciphersuites(context, kCiphers13);
  SSL_CTX_set_default_passwd_cb(context, noPassword);
  int mode = SSL_VERIFY_PEER;
  if (side == TlsSide::kServer) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context, mode, nullptr);
}

}  // namespace

uint64_t TlsFiles::hash() const {
  return base::mix64(base::mix64(base::hash64(authority)) ^ base::hash64(certificate)) ^
         base::hash64(key);
}

base::Result<TlsFiles> readTlsFiles(const std::string& directory) {
  TlsFiles files{directory, "", "", ""};
  for (const auto& [name, into] : {std::pair{"/ca.crt", &files.authority},
                                   {"/tls.crt", &files.certificate},
                                   {"/tls.key", &files.key}}) {
    auto bytes = readPem(directory + name);
    if (!bytes.ok()) return bytes.error();
    *into = std::move(*bytes);
  }
  return files;
}

base::Status checkTlsDirectory(const std::string& directory, TlsSide side) {
  const auto files = readTlsFiles(directory);
  if (!files.ok()) return files.error();
  return makeTlsContext(*files, side).status();
}

base::Result<std::shared_ptr<TlsContext>> makeTlsContext(const TlsFiles& files, TlsSide side) {
  const bool server = side == TlsSide::kServer;
  auto context =
      std::make_shared<TlsContext>(server ? TlsContext::tls_server : TlsContext::tls_client);
  setDefaults(context->native_handle(), side);
  const std::string ca = files.directory + "/ca.crt";
  const std::string certificate = files.directory + "/tls.crt";
  const std::string key = files.directory + "/tls.key";
  ErrorCode error;
  context->add_certificate_authority(boost::asio::buffer(files.authority), error);
  if (error) return wrong(ca, error);
  context->use_certificate_chain(boost::asio::buffer(files.certificate), error);
  if (error) return wrong(certificate, error);
  context->use_private_key(boost::asio::buffer(files.key), TlsContext::pem, error);
  if (error && files.key.find("ENCRYPTED") != std::string::npos) {
    return wrong(key, "has a password, and there is nobody to ask for it");
  }
  const bool mismatch = error && ERR_GET_REASON(static_cast<unsigned long>(error.value())) ==
                                     X509_R_KEY_VALUES_MISMATCH;
  if (error && !mismatch) return wrong(key, error);
  if (mismatch || SSL_CTX_check_private_key(context->native_handle()) != 1) {
    ERR_clear_error();
    return wrong(key, "not the key of " + certificate);
  }
  return context;
}

int64_t certificateEnd(TlsContext& context) {
  const X509* certificate = SSL_CTX_get0_certificate(context.native_handle());
  tm end{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
    return 0;
  const std::chrono::year_month_day day{std::chrono::year(end.tm_year + 1900),
                                        std::chrono::month(static_cast<unsigned>(end.tm_mon) + 1),
                                        std::chrono::day(static_cast<unsigned>(end.tm_mday))};
  const int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24 + end.tm_hour) * 60 + end.tm_min) * 60 + end.tm_sec;
}

void sendCloseNotify(TlsStream& stream, std::function<void(const ErrorCode&)> done) {
  SSL* handle = stream.native_handle();
  const int before = SSL_get_shutdown(handle);
  // With the peer's half taken for closed OpenSSL writes our half and is done, at once; only the
  // bytes are still on their way when async_shutdown() returns.
  SSL_set_shutdown(handle, before | SSL_RECEIVED_SHUTDOWN);
  stream.async_shutdown(std::move(done));
  if ((before & SSL_RECEIVED_SHUTDOWN) == 0) SSL_set_shutdown(handle, SSL_SENT_SHUTDOWN);
}

bool isNoTls(const ErrorCode& error) {
  if (error.category() != boost::asio::error::get_ssl_category()) return false;
  const auto code = static_cast<unsigned long>(error.value());
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return false;
  const int reason = ERR_GET_REASON(code);
  return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
         reason == SSL_R_HTTPS_PROXY_REQUEST;
}

std::string tlsErrorText(const ErrorCode& error, TlsStream& stream) {
  if (error == ssl::error::stream_truncated) return "the connection broke off";
  if (error.category() != boost::asio::error::get_ssl_category()) return error.message();
  if (isNoTls(error)) return "the peer does not speak TLS (" + error.message() + ")";
  // What is first in OpenSSL's queue may be any of its layers' words for a wrong certificate.
  const long verified = SSL_get_verify_result(stream.native_handle());
  if (verified != X509_V_OK) {
    return std::string("the peer's certificate: ") + X509_verify_cert_error_string(verified);
  }
  return error.message();
}

base::Status expectServerName(TlsStream& stream, const std::string& name) {
  SSL* handle = stream.native_handle();
  X509_VERIFY_PARAM* expected = SSL_get0_param(handle);
  if (X509_VERIFY_PARAM_set1_ip_asc(expected, name.c_str()) == 1) return {};
  ERR_clear_error();
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_host(expected, name.c_str(), name.size()) == 1 &&
      SSL_set_tlsext_host_name(handle, name.c_str()) == 1) {
    return {};
  }
  ERR_clear_error();
  return {base::Errc::kFixInput, name + ": not a name that a certificate can have"};
}

}  // namespace logtail::net
