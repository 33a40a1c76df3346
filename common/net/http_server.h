#pragma once
// A small HTTP/1.1 server for metrics, health and administration.
//
// Flow: socket -> limits -> handler by method and path -> response; see standard_endpoints.h.
// Owned by main, which declares all handlers before start(). Own thread: handlers run on it one at
// a time and must not block for long; those of handleSlowly() may. A request beyond a limit is
// answered 4xx or cut and counted; a handler that throws is answered 500; nothing a peer sends
// stops the server.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/base/units.h"
#include "common/metrics/registry.h"
#include "common/net/http_message.h"

namespace logtail::net {

struct HttpLimits {
  base::Bytes header{16 << 10};
  base::Bytes body{1 << 20};
  size_t connections = 256;                    // more are closed at once
  std::chrono::milliseconds request{10'000};   // to receive one request, and to wait for the next
  std::chrono::milliseconds response{30'000};  // to send one response
  std::chrono::milliseconds drain{5'000};      // what stop() gives the responses under way
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // `registry` must outlive the server.
  HttpServer(const HttpLimits& limits, metrics::Registry& registry);
  ~HttpServer();  // stops

  // `path` is the handler's own and, when it ends in '/', all below it; the longest wins. A GET
  // handler answers HEAD too. Before start() only.
  void handle(const std::string& method, const std::string& path, Handler handler);
  // The same for a handler that may take long: it runs on a second thread, one such request at a
  // time, and delays nobody else's answer. stop() waits for it.
  void handleSlowly(const std::string& method, const std::string& path, Handler handler);

  // Binds and starts the thread; port 0 takes a free one. kFixInput when the address is no address,
  // kRetry when it is taken.
  base::Status start(const std::string& host, uint16_t port);
  uint16_t port() const;  // the one bound; 0 before start()

  // Refuses new connections, lets responses under way end for up to `drain`, closes the rest, joins
  // the thread. May be called twice; not from a handler.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace logtail::net
