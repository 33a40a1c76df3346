#include <boost/asio/write.hpp>

#include "agent/shipper_transport_impl.h"
#include "common/net/tls_impl.h"

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
  TlsTransport(asio::io_context& context, std::shared_ptr<net::TlsContext> tls)
      : tls_(std::move(tls)), stream_(context, *tls_) {}

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
    net::sendCloseNotify(stream_, [keep = std::move(keep)](const ErrorCode&) {});
  }

  std::string textOf(const ErrorCode& error) override { return net::tlsErrorText(error, stream_); }
  base::Status name(const std::string& server) { return net::expectServerName(stream_, server); }

 private:
  const std::shared_ptr<net::TlsContext> tls_;
  net::TlsStream stream_;
};

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
  const auto files = net::readTlsFiles(options.directory);
  if (!files.ok()) return files.error();
  auto tls = net::makeTlsContext(*files, net::TlsSide::kClient);
  if (!tls.ok()) return tls.error();
  auto transport = std::make_unique<TlsTransport>(context, std::move(*tls));
  LOGTAIL_TRY(transport->name(options.serverName.empty() ? host : options.serverName));
  return std::unique_ptr<ShipperTransport>(std::move(transport));
}

}  // namespace logtail::agent
