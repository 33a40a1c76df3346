#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>

#include "common/base/log.h"
#include "common/net/session_impl.h"

namespace logtail::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kLinger{1};
constexpr size_t kDiscardBuffer = 16 << 10;

// False when the target is none.
bool toRequest(const http::request<http::string_body>& message, HttpRequest& request) {
  const auto target = message.target();
  if (!parseTarget({target.data(), target.size()}, request.path, request.query)) return false;
  request.method = std::string(message.method_string());
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    request.headers[name] = std::string(field.value());
  }
  request.body = message.body();
  return true;
}

HttpResponse plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(text) + "\n";
  return response;
}

}  // namespace

HttpService::HttpService(const HttpLimits& l, metrics::Registry& registry) : limits(l) {
  for (const char* code : {"0xx", "1xx", "2xx", "3xx", "4xx", "5xx"}) {
    requestCounters.push_back(&registry.counter("logtail_http_requests_total",
                                                "HTTP requests answered, by class of status.",
                                                {{"code", code}}));
  }
}

HttpResponse HttpService::respond(const HttpRequest& request) const {
  auto route = routes.find(request.path);
  for (size_t slash = request.path.rfind('/');
       route == routes.end() && slash != std::string::npos;) {
    route = routes.find(request.path.substr(0, slash + 1));
    if (slash == 0) break;
    slash = request.path.rfind('/', slash - 1);
  }
  if (route == routes.end()) return plain(404, "no such path: " + request.path);
  auto handler = route->second.find(request.method);
  if (handler == route->second.end() && request.method == "HEAD")
    handler = route->second.find("GET");
  if (handler == route->second.end()) {
    std::string allowed;
    for (const auto& [method, unused] : route->second) {
      allowed.append(allowed.empty() ? "" : ", ").append(method);
    }
    HttpResponse response = plain(405, "allowed here: " + allowed);
    response.headers.emplace_back("Allow", allowed);
    return response;
  }
  try {
    return handler->second(request);
  } catch (const std::exception& e) {
    base::logError("http: the handler of " + route->first + " failed: " + e.what());
    return plain(500, "internal error");
  }
}

Session::Session(HttpService& service, asio::ip::tcp::socket socket)
    : service_(service), stream_(std::move(socket)), buffer_(service.limits.header.count + 65536) {
  service_.sessions.insert(this);
}

Session::~Session() {
  service_.sessions.erase(this);
  if (service_.stopping && service_.sessions.empty()) service_.drainTimer->cancel();
}

void Session::closeIfIdle() {
  if (!answering_) close();
}

void Session::close() {
  stream_.close();
}

void Session::read() {
  answering_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(service_.limits.header.count));
  parser_->body_limit(service_.limits.body.count);
  stream_.expires_after(service_.limits.request);
  http::async_read(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](error_code failed, size_t) { self->onRead(failed); });
}

void Session::onRead(error_code failed) {
  answering_ = true;
  if (failed == http::error::header_limit)
    return answer(plain(431, "header too large"), false, false, 11);
  if (failed == http::error::body_limit)
    return answer(plain(413, "body too large"), false, false, 11);
  if (failed.category() == make_error_code(http::error::bad_method).category() &&
      failed != http::error::end_of_stream && failed != http::error::partial_message) {
    return answer(plain(400, "not HTTP: " + failed.message()), false, false, 11);
  }
  if (failed) return close();  // the peer left, or was too slow
  const auto& message = parser_->get();
  const bool isHead = message.method() == http::verb::head;
  HttpRequest request;
  if (!toRequest(message, request)) {
    return answer(plain(400, "the target is no path"), false, isHead, message.version());
  }
  if (service_.slowPaths.contains(request.path)) {
    return answerSlowly(std::move(request), message.keep_alive(), isHead, message.version());
  }
  answer(service_.respond(request), message.keep_alive(), isHead, message.version());
}

// The session itself, and its last reference, stay on the server's thread, which the guard keeps.
void Session::answerSlowly(HttpRequest request, bool keepAlive, bool isHead, unsigned version) {
  asio::post(service_.slow,
             [self = shared_from_this(), request = std::move(request), keepAlive, isHead, version,
              guard = asio::make_work_guard(stream_.get_executor())]() mutable {
               HttpResponse response = self->service_.respond(request);
               const auto executor = guard.get_executor();
               asio::post(executor, [self = std::move(self), response = std::move(response),
                                     keepAlive, isHead, version]() mutable {
                 self->answer(std::move(response), keepAlive, isHead, version);
               });
             });
}

void Session::answer(HttpResponse response, bool keepAlive, bool isHead, unsigned version) {
  service_.requests(response.status).add();
  response_.emplace(static_cast<http::status>(response.status), version);
  response_->set(http::field::content_type, response.contentType);
  response_->set("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : response.headers) response_->set(name, value);
  response_->keep_alive(keepAlive && !service_.stopping);
  const size_t length = response.body.size();
  if (!isHead) response_->body() = std::move(response.body);
  response_->content_length(length);
  stream_.expires_after(service_.limits.response);
  http::async_write(stream_, *response_, [self = shared_from_this()](error_code failed, size_t) {
    self->onWritten(failed);
  });
}

void Session::onWritten(error_code failed) {
  if (failed) return close();
  if (response_->keep_alive() && !service_.stopping) return read();
  error_code ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  discarded_.resize(kDiscardBuffer);
  stream_.expires_after(kLinger);
  linger();
}

// A close with unread bytes resets the connection, and the peer may lose the response with it; so
// what a refused request still sends is read and thrown away until the peer closes or kLinger is
// over.
void Session::linger() {
  if (service_.stopping) return close();
  answering_ = false;
  stream_.async_read_some(asio::buffer(discarded_),
                          [self = shared_from_this()](error_code failed, size_t) {
                            failed ? self->close() : self->linger();
                          });
}

}  // namespace logtail::net
