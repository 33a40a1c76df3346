#include "common/net/http_client.h"

#include <gtest/gtest.h>

#include "common/base/file_system.h"
#include "tests/net/scripted_peer.h"

namespace logtail::net {
namespace {

using namespace std::chrono_literals;
using namespace base::literals;

class HttpClientTest : public testing::Test {
 protected:
  HttpClientOptions quick() const {
    HttpClientOptions options;
    options.timeout = 100ms;
    return options;
  }
};

TEST_F(HttpClientTest, AnythingThatIsNoUrlIsForAPersonToMend) {
  const auto response = httpGet("agg:8686/metrics");
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.code(), base::Errc::kFixInput);
  EXPECT_EQ(response.message(), "\"agg:8686/metrics\" is no http:// or https:// URL");
}

TEST_F(HttpClientTest, NobodyListeningIsARetry) {
  uint16_t port = 0;
  {
    const ScriptedPeer peer("");
    port = peer.port();
  }
  const auto response = httpGet("http://127.0.0.1:" + std::to_string(port) + "/");
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.code(), base::Errc::kRetry);
}

TEST_F(HttpClientTest, SendsHostPathAndHeadersAndReadsAnyStatus) {
  ScriptedPeer peer("HTTP/1.1 418 Teapot\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nhi");
  HttpClientOptions options;
  options.headers = {{"Authorization", "Bearer x"}};
  const auto response = httpGet(peer.url("http", "/a?b=c"), options);
  ASSERT_TRUE(response.ok()) << response.message();
  EXPECT_EQ(response.value().status, 418);
  EXPECT_EQ(response.value().contentType, "a/b");
  EXPECT_EQ(response.value().body, "hi");
  const std::string request = peer.request();
  EXPECT_TRUE(request.starts_with("GET /a?b=c HTTP/1.1\r\n")) << request;
  EXPECT_NE(request.find("Host: 127.0.0.1:" + std::to_string(peer.port())), std::string::npos)
      << request;
  EXPECT_NE(request.find("Authorization: Bearer x\r\n"), std::string::npos) << request;
}

TEST_F(HttpClientTest, AnAnswerThatNeverComesIsARetryAfterTheTimeout) {
  ScriptedPeer peer(ScriptedPeer::kSilent);
  const auto response = httpGet(peer.url("http", "/"), quick());
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.code(), base::Errc::kRetry);
}

TEST_F(HttpClientTest, AnAnswerBrokenOffIsARetryAndOneThatIsNotHttpIsBad) {
  ScriptedPeer broken("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort");
  EXPECT_EQ(httpGet(broken.url("http", "/")).code(), base::Errc::kRetry);
  ScriptedPeer noise("SSH-2.0-OpenSSH\r\n\r\n");
  EXPECT_EQ(httpGet(noise.url("http", "/")).code(), base::Errc::kQuarantine);
}

TEST_F(HttpClientTest, ABodyBeyondTheLimitIsRefused) {
  ScriptedPeer peer("HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + std::string(3000, 'x'));
  HttpClientOptions options;
  options.maxBody = 2_kB;
  const auto response = httpGet(peer.url("http", "/"), options);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.code(), base::Errc::kQuarantine);
}

TEST_F(HttpClientTest, HttpsIsAcceptedWhenTheCaFileSignsTheServersName) {
  const TestCertificate certificate("localhost");
  ScriptedPeer peer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", &certificate);
  HttpClientOptions options;
  options.caFile = certificate.caFile();
  options.serverName = "localhost";
  const auto response = httpGet(peer.url("https", "/"), options);
  ASSERT_TRUE(response.ok()) << response.message();
  EXPECT_EQ(response.value().body, "ok");
}

TEST_F(HttpClientTest, HttpsIsRefusedForAnUnknownSignerAnotherNameOrAnUnreadableCaFile) {
  const TestCertificate certificate("localhost");
  const TestCertificate stranger("localhost");
  HttpClientOptions options;
  options.serverName = "localhost";
  {
    ScriptedPeer peer("", &certificate);
    options.caFile = stranger.caFile();
    EXPECT_EQ(httpGet(peer.url("https", "/"), options).code(), base::Errc::kFixInput);
  }
  {
    ScriptedPeer peer("", &certificate);
    options.caFile = certificate.caFile();
    options.serverName = "elsewhere";
    EXPECT_EQ(httpGet(peer.url("https", "/"), options).code(), base::Errc::kFixInput);
  }
  options.caFile = "/nonexistent/ca.crt";
  EXPECT_EQ(httpGet("https://127.0.0.1:1/", options).code(), base::Errc::kFixInput);
}

}  // namespace
}  // namespace logtail::net
