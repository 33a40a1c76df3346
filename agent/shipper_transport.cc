#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "agent/shipper_transport_impl.h"

namespace logtail::agent {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class TcpTransport final : public ShipperTransport {
 public:
  explicit TcpTransport(asio::io_context& context) : socket_(context) {}

  tcp::socket& socket() override { return socket_; }
  void handshake(Handler done) override { done({}, 0); }
  void read(const std::array<asio::mutable_buffer, 2>& into, Handler done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write(const std::vector<asio::const_buffer>& buffers, Handler done) override {
    asio::async_write(socket_, buffers, std::move(done));
  }
  void finish(std::shared_ptr<void>) override {
    ErrorCode ignored;  // a broken connection shows at the read that is under way
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
  }

 private:
  tcp::socket socket_;
};

class TlsTransport final : public ShipperTransport {
 public:
  TlsTransport(asio::io_context& context, asio::ssl::context tls)
      : tls_(std::move(tls)), stream_(context, tls_) {}

  tcp::socket& socket() override { return stream_.next_layer(); }
  void handshake(Handler done) override {
    stream_.async_handshake(asio::ssl::stream_base::client,
                            [done = std::move(done)](const ErrorCode& error) { done(error, 0); });
  }
  void read(const std::array<asio::mutable_buffer, 2>& into, Handler done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write(const std::vector<asio::const_buffer>& buffers, Handler done) override {
    asio::async_write(stream_, buffers, std::move(done));
  }
  void finish(std::shared_ptr<void> keep) override {
    // The peer's own end of file completes the read that is under way.
    stream_.async_shutdown([keep = std::move(keep)](const ErrorCode&) {});
  }

  ErrorCode name(const std::string& server) {
    ErrorCode error;
    SSL_set_tlsext_host_name(stream_.native_handle(), server.c_str());
    stream_.set_verify_callback(asio::ssl::host_name_verification(server), error);
    return error;
  }

 private:
  asio::ssl::context tls_;
  asio::ssl::stream<tcp::socket> stream_;
};

base::Error tlsError(const std::string& file, const ShipperTransport::ErrorCode& error) {
  return {base::Errc::kFixInput, file + ": " + error.message()};
}

}  // namespace

void ShipperTransport::close() {
  ErrorCode ignored;  // nothing is expected of it any more
  socket().close(ignored);
}

std::unique_ptr<ShipperTransport> makeTcpTransport(asio::io_context& context) {
  return std::make_unique<TcpTransport>(context);
}

base::Result<std::unique_ptr<ShipperTransport>> makeTlsTransport(asio::io_context& context,
                                                                 const ShipperTls& options,
                                                                 const std::string& host) {
  asio::ssl::context tls(asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  ShipperTransport::ErrorCode error;
  tls.set_verify_mode(asio::ssl::verify_peer, error);
  const std::string ca = options.directory + "/ca.crt";
  const std::string certificate = options.directory + "/tls.crt";
  const std::string key = options.directory + "/tls.key";
  if (tls.load_verify_file(ca, error); error) return tlsError(ca, error);
  if (tls.use_certificate_chain_file(certificate, error); error)
    return tlsError(certificate, error);
  if (tls.use_private_key_file(key, asio::ssl::context::pem, error); error)
    return tlsError(key, error);
  auto transport = std::make_unique<TlsTransport>(context, std::move(tls));
  error = transport->name(options.serverName.empty() ? host : options.serverName);
  if (error) return tlsError(host, error);
  return std::unique_ptr<ShipperTransport>(std::move(transport));
}

}  // namespace logtail::agent
