#include "common/net/http_server.h"

#include <gtest/gtest.h>

#include <future>
#include <latch>
#include <stdexcept>
#include <thread>

#include "common/net/http_client.h"
#include "common/net/standard_endpoints.h"
#include "tests/net/raw_client.h"

namespace logtail::net {
namespace {

using namespace std::chrono_literals;
using namespace base::literals;

class HttpServerTest : public testing::Test {
 protected:
  // A server with an echo at /echo and below /tree/.
  HttpServer& start(const HttpLimits& limits = {}) {
    server_ = std::make_unique<HttpServer>(limits, registry_);
    server_->handle("GET", "/echo", [](const HttpRequest& request) {
      HttpResponse response;
      response.body = request.method + " " + request.path + " x=" + request.queryOr("x", "none");
      return response;
    });
    server_->handle("POST", "/echo", [](const HttpRequest& request) {
      HttpResponse response;
      response.status = 201;
      response.contentType = request.headers.at("content-type");
      response.body = request.body;
      return response;
    });
    server_->handle("GET", "/tree/", [](const HttpRequest& request) {
      return HttpResponse{200, "text/plain", "tree " + request.path, {}};
    });
    server_->handle("GET", "/tree/deep/", [](const HttpRequest&) {
      return HttpResponse{200, "text/plain", "deep", {}};
    });
    server_->handle("GET", "/throws", [](const HttpRequest&) -> HttpResponse {
      throw std::runtime_error("secret detail");
    });
    addStandardEndpoints(*server_, registry_, live_, ready_);
    started_ = server_->start("127.0.0.1", 0);
    EXPECT_TRUE(started_.ok()) << started_.message();
    return *server_;
  }
  std::string url(const std::string& target) {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + target;
  }
  HttpResponse get(const std::string& target) {
    auto response = httpGet(url(target));
    EXPECT_TRUE(response.ok()) << response.message();
    return response.ok() ? *response : HttpResponse{};
  }

  metrics::Registry registry_;
  HealthChecks live_;
  HealthChecks ready_;
  base::Status started_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, AnswersByMethodAndPath) {
  start();
  EXPECT_EQ(get("/echo?x=a%20b").body, "GET /echo x=a b");
  const auto posted = httpPost(url("/echo"), "{}", "application/json");
  ASSERT_TRUE(posted.ok());
  EXPECT_EQ(posted.value().status, 201);
  EXPECT_EQ(posted.value().contentType, "application/json");
  EXPECT_EQ(posted.value().body, "{}");
}

TEST_F(HttpServerTest, TheLongestPrefixWinsAndAPathWithoutSlashIsExact) {
  start();
  EXPECT_EQ(get("/tree/").body, "tree /tree/");
  EXPECT_EQ(get("/tree/a/b").body, "tree /tree/a/b");
  EXPECT_EQ(get("/tree/deep/x").body, "deep");
  EXPECT_EQ(get("/tree").status, 404);
  EXPECT_EQ(get("/echo/x").status, 404);
  EXPECT_EQ(get("/").status, 404);
}

TEST_F(HttpServerTest, AWrongMethodNamesTheAllowedOnes) {
  start();
  const auto response = httpPost(url("/tree/"), "", "");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response.value().status, 405);
  EXPECT_EQ(response.value().body, "allowed here: GET\n");
}

TEST_F(HttpServerTest, AHandlerThatThrowsIsA500ThatTellsNothingAndTheNextRequestIsAnswered) {
  start();
  EXPECT_EQ(get("/throws").status, 500);
  EXPECT_EQ(get("/throws").body, "internal error\n");
  EXPECT_EQ(get("/echo").status, 200);
}

TEST_F(HttpServerTest, HeadHasTheLengthAndNoBody) {
  RawClient client(start().port());
  client.send("HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = client.readToEnd();
  EXPECT_NE(answer.find("Content-Length: 17\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n")) << answer;
}

TEST_F(HttpServerTest, OneConnectionCarriesManyRequestsAlsoPipelined) {
  RawClient client(start().port());
  client.send("GET /echo?x=1 HTTP/1.1\r\n\r\nGET /echo?x=2 HTTP/1.1\r\n\r\n");
  const std::string answer = client.readUntil("x=2");
  EXPECT_NE(answer.find("x=1"), std::string::npos);
  EXPECT_NE(answer.find("x=2"), std::string::npos);
  client.send("GET /echo?x=3 HTTP/1.0\r\n\r\n");
  EXPECT_NE(client.readToEnd().find("x=3"), std::string::npos);
}

TEST_F(HttpServerTest, WhatIsNotHttpIsRefusedAndTheServerStays) {
  start();
  for (const char* bytes :
       {"hello there\r\n\r\n", "GET  HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\r\n\r\n",
        "GET /%zz HTTP/1.1\r\n\r\n", "GET http://x HTTP/1.1\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"}) {
    RawClient client(server_->port());
    client.send(bytes);
    EXPECT_TRUE(client.readToEnd().starts_with("HTTP/1.1 400 ")) << bytes;
  }
  EXPECT_EQ(get("/echo").status, 200);
}

TEST_F(HttpServerTest, AHeaderOrBodyBeyondItsLimitIsRefused) {
  HttpLimits limits;
  limits.header = 1_kB;
  limits.body = 100_kB;
  start(limits);
  RawClient client(server_->port());
  client.send("GET /echo HTTP/1.1\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_TRUE(client.readToEnd().starts_with("HTTP/1.1 431 "));

  const auto exact = httpPost(url("/echo"), std::string(100'000, 'b'), "text/plain");
  ASSERT_TRUE(exact.ok()) << exact.message();
  EXPECT_EQ(exact.value().body.size(), 100'000u);
  const auto more = httpPost(url("/echo"), std::string(3'000'000, 'b'), "text/plain");
  ASSERT_TRUE(more.ok()) << more.message();
  EXPECT_EQ(more.value().status, 413);

  RawClient chunked(server_->port());
  chunked.send("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n186a1\r\n" +
               std::string(100'001, 'c') + "\r\n0\r\n\r\n");
  EXPECT_TRUE(chunked.readToEnd().starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpServerTest, ARequestThatDoesNotArriveInTimeIsCutOff) {
  HttpLimits limits;
  limits.request = 20ms;
  RawClient client(start(limits).port());
  client.send("GET /echo HTTP/1.1\r\nX: ");
  EXPECT_EQ(client.readToEnd(), "");
}

TEST_F(HttpServerTest, ConnectionsBeyondTheLimitAreClosedAndCounted) {
  HttpLimits limits;
  limits.connections = 1;
  RawClient first(start(limits).port());
  first.send("GET /echo HTTP/1.1\r\n\r\n");
  first.readUntil("x=none");
  RawClient second(server_->port());
  second.send("GET /echo HTTP/1.1\r\n\r\n");
  EXPECT_EQ(second.readToEnd(), "");
  first.send("GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(first.readToEnd().find("logtail_http_connections_refused_total 1\n"),
            std::string::npos);
}

TEST_F(HttpServerTest, StopLetsAResponseUnderWayEndAndClosesTheIdle) {
  start();
  std::promise<void> entered;
  std::latch go(1);
  HttpServer slow({}, registry_);
  slow.handle("GET", "/slow", [&](const HttpRequest&) {
    entered.set_value();
    go.wait();
    return HttpResponse{200, "text/plain", std::string(4 << 20, 's'), {}};
  });
  ASSERT_TRUE(slow.start("127.0.0.1", 0).ok());
  const uint16_t port = slow.port();
  RawClient idle(port);
  RawClient client(port);
  client.send("GET /slow HTTP/1.1\r\n\r\n");
  entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { slow.stop(); });
  go.count_down();
  const std::string answer = client.readToEnd();
  EXPECT_GT(answer.size(), size_t{4 << 20});
  EXPECT_EQ(idle.readToEnd(), "");
  stopped.get();
  EXPECT_FALSE(RawClient(port).connected());
}

TEST_F(HttpServerTest, StopCutsAResponseThatNobodyReadsAfterTheDrainTime) {
  HttpLimits limits;
  limits.drain = 20ms;
  HttpServer server(limits, registry_);
  server.handle("GET", "/large", [](const HttpRequest&) {
    return HttpResponse{200, "text/plain", std::string(64 << 20, 'l'), {}};
  });
  ASSERT_TRUE(server.start("127.0.0.1", 0).ok());
  RawClient client(server.port());
  client.send("GET /large HTTP/1.1\r\n\r\n");
  EXPECT_FALSE(client.readUntil("lll").empty());
  server.stop();
  EXPECT_LT(client.readToEnd().size(), size_t{64 << 20});
}

TEST_F(HttpServerTest, StartSaysWhatIsWrongWithTheAddress) {
  start();
  HttpServer other({}, registry_);
  const auto taken = other.start("127.0.0.1", server_->port());
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.code(), base::Errc::kRetry);
  EXPECT_NE(taken.message().find("127.0.0.1:" + std::to_string(server_->port())),
            std::string::npos);
  const auto wrong = other.start("nowhere", 0);
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.code(), base::Errc::kFixInput);
  EXPECT_TRUE(other.start("127.0.0.1", 0).ok());
}

TEST_F(HttpServerTest, HealthIsOkOrNamesTheFailingChecks) {
  std::atomic<bool> full = false;
  live_.add("loop", [] { return std::nullopt; });
  ready_.add("listening", [] { return std::nullopt; });
  ready_.add("disk", [&]() -> std::optional<std::string> {
    if (full) return "no room";
    return std::nullopt;
  });
  start();
  EXPECT_EQ(get("/readyz").body, "ok\n");
  EXPECT_EQ(get("/readyz?verbose").body, "[+]listening ok\n[+]disk ok\npassed\n");
  full = true;
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").body, "[-]disk failed: no room\n");
  EXPECT_EQ(get("/readyz?verbose").body, "[+]listening ok\n[-]disk failed: no room\nfailed\n");
  EXPECT_EQ(get("/livez").status, 200);
}

TEST_F(HttpServerTest, MetricsAreServedAsPrometheusText) {
  registry_.counter("logtail_lines_total", "Lines.").add(3);
  start();
  const HttpResponse response = get("/metrics");
  EXPECT_EQ(response.contentType, "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_NE(response.body.find("logtail_lines_total 3\n"), std::string::npos);
}

TEST_F(HttpServerTest, ManyClientsAtOnceAreAllAnswered) {
  start();
  std::vector<std::future<int>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::async(std::launch::async, [this] {
      int answered = 0;
      for (int n = 0; n < 20; ++n) answered += get("/echo").status == 200 ? 1 : 0;
      return answered;
    }));
  }
  for (auto& client : clients) EXPECT_EQ(client.get(), 20);
}

// A long look-up delays neither health nor metrics, and stop() lets it answer.
TEST_F(HttpServerTest, AnswersOthersWhileASlowHandlerRuns) {
  std::promise<void> entered;
  std::promise<void> go;
  HttpServer server(HttpLimits{}, registry_);
  server.handleSlowly("GET", "/slow", [&](const HttpRequest&) {
    entered.set_value();
    go.get_future().wait();
    return HttpResponse{200, "text/plain", "at last", {}};
  });
  server.handle("GET", "/quick", [](const HttpRequest&) {
    return HttpResponse{200, "text/plain", "at once", {}};
  });
  ASSERT_TRUE(server.start("127.0.0.1", 0).ok());
  const std::string url = "http://127.0.0.1:" + std::to_string(server.port());
  auto slow = std::async(std::launch::async, [&] { return httpGet(url + "/slow"); });
  entered.get_future().wait();
  const auto quick = httpGet(url + "/quick");
  ASSERT_TRUE(quick.ok()) << quick.message();
  EXPECT_EQ(quick->body, "at once");
  auto stopped = std::async(std::launch::async, [&] { server.stop(); });
  go.set_value();
  stopped.wait();
  const auto answer = slow.get();
  ASSERT_TRUE(answer.ok()) << answer.message();
  EXPECT_EQ(answer->body, "at last");
}

}  // namespace
}  // namespace logtail::net
