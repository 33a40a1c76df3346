#include "common/net/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>
#include <set>
#include <thread>

#include "common/base/log.h"
#include "common/net/session_impl.h"

namespace logtail::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

struct HttpServer::Impl : HttpService {
  Impl(const HttpLimits& l, metrics::Registry& registry)
      : HttpService(l, registry),
        refused(registry.counter("logtail_http_connections_refused_total",
                                 "HTTP connections closed because there were too many.")) {}

  void accept();
  void onAccept(error_code failed, tcp::socket socket);
  void beginStop();

  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer retry{context};
  metrics::Counter& refused;
  std::thread thread;
  uint16_t port = 0;
};

void HttpServer::Impl::accept() {
  acceptor.async_accept(
      [this](error_code failed, tcp::socket socket) { onAccept(failed, std::move(socket)); });
}

void HttpServer::Impl::onAccept(error_code failed, tcp::socket socket) {
  if (!acceptor.is_open()) return;
  if (failed) {
    // Out of descriptors, as a rule: the next try comes when some may be free again.
    retry.expires_after(std::chrono::milliseconds(100));
    retry.async_wait([this](error_code cancelled) {
      if (!cancelled && acceptor.is_open()) accept();
    });
    return;
  }
  if (sessions.size() >= limits.connections) {
    refused.add();
    error_code ignored;
    socket.close(ignored);
  } else {
    std::make_shared<Session>(*this, std::move(socket))->start();
  }
  accept();
}

void HttpServer::Impl::beginStop() {
  stopping = true;
  error_code ignored;
  acceptor.close(ignored);
  retry.cancel();
  drainTimer.emplace(context, limits.drain);
  drainTimer->async_wait([this](error_code cancelled) {
    if (cancelled) return;
    const auto late = sessions;
    for (Session* session : late) session->close();
  });
  const auto open = sessions;  // a session that closes leaves the set
  for (Session* session : open) session->closeIfIdle();
  if (sessions.empty()) drainTimer->cancel();
}

HttpServer::HttpServer(const HttpLimits& limits, metrics::Registry& registry)
    : impl_(std::make_unique<Impl>(limits, registry)) {}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::handle(const std::string& method, const std::string& path, Handler handler) {
  LOGTAIL_ASSERT(!impl_->thread.joinable());
  impl_->routes[path][method] = std::move(handler);
}

void HttpServer::handleSlowly(const std::string& method, const std::string& path, Handler handler) {
  handle(method, path, std::move(handler));
  impl_->slowPaths.insert(path);
}

base::Status HttpServer::start(const std::string& host, uint16_t port) {
  LOGTAIL_ASSERT(!impl_->thread.joinable());
  error_code failed;
  const auto address = asio::ip::make_address(host, failed);
  if (failed) {
    return {base::Errc::kFixInput, "http: \"" + host + "\" is no IP address to listen on"};
  }
  const tcp::endpoint endpoint(address, port);
  tcp::acceptor& acceptor = impl_->acceptor;
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(asio::socket_base::reuse_address(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
  if (!failed) impl_->port = acceptor.local_endpoint(failed).port();
  if (failed) {
    error_code ignored;
    acceptor.close(ignored);
    return {base::Errc::kRetry, "http: cannot listen on " + host + ":" + std::to_string(port) +
                                    ": " + failed.message()};
  }
  impl_->accept();
  impl_->thread = std::thread([impl = impl_.get()] { impl->context.run(); });
  return {};
}

uint16_t HttpServer::port() const {
  return impl_->port;
}

void HttpServer::stop() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->context, [impl = impl_.get()] { impl->beginStop(); });
  impl_->thread.join();  // a slow handler's work guard keeps it until that one has answered
  impl_->slow.join();
  impl_->drainTimer.reset();  // before the context it belongs to
}

}  // namespace logtail::net
