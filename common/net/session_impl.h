#pragma once
// Private to common/net: one HTTP connection and what all connections of a server share.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/net/http_server.h"

namespace logtail::net {

class Session;

// Everything here belongs to the server's thread once it runs; routes never change then, so that
// the slow thread may look them up, too.
struct HttpService {
  HttpService(const HttpLimits& l, metrics::Registry& registry);

  // The response to a well-formed request: 404, 405 or what the handler says.
  HttpResponse respond(const HttpRequest& request) const;
  metrics::Counter& requests(int status) {
    return *requestCounters[static_cast<size_t>(status / 100)];
  }

  const HttpLimits limits;
  std::map<std::string, std::map<std::string, HttpServer::Handler>> routes;  // path -> method
  std::set<std::string> slowPaths;  // whose handlers run on `slow`
  boost::asio::thread_pool slow{1};
  std::set<Session*> sessions;
  std::vector<metrics::Counter*> requestCounters;  // by first digit of the status
  std::optional<boost::asio::steady_timer> drainTimer;
  bool stopping = false;
};

// Reads a request, writes its response, again until the peer closes, a limit is passed or the
// server stops. Keeps itself alive by its own operations; `service` outlives it.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(HttpService& service, boost::asio::ip::tcp::socket socket);
  ~Session();

  void start() { read(); }
  void closeIfIdle();
  void close();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Message = boost::beast::http::response<boost::beast::http::string_body>;

  void read();
  void onRead(boost::system::error_code failed);
  void answerSlowly(HttpRequest request, bool keepAlive, bool isHead, unsigned version);
  void answer(HttpResponse response, bool keepAlive, bool isHead, unsigned version);
  void onWritten(boost::system::error_code failed);
  void linger();

  HttpService& service_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::optional<Message> response_;
  std::string discarded_;  // buffer of linger()
  bool answering_ = false;
};

}  // namespace logtail::net
