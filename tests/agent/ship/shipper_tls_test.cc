// The shipper over TLS, against a server of OpenSSL's that the test plays.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/shipper.h"
#include "common/wire/message_reader.h"
#include "tests/agent/ship/recording_events.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"

namespace logtail::agent {
namespace {

class TlsServer {
 public:
  explicit TlsServer(const std::string& directory) : context_(SSL_CTX_new(TLS_server_method())) {
    EXPECT_EQ(SSL_CTX_use_certificate_chain_file(context_, (directory + "/tls.crt").c_str()), 1);
    EXPECT_EQ(
        SSL_CTX_use_PrivateKey_file(context_, (directory + "/tls.key").c_str(), SSL_FILETYPE_PEM),
        1);
    EXPECT_EQ(SSL_CTX_load_verify_locations(context_, (directory + "/ca.crt").c_str(), nullptr), 1);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 4), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = std::to_string(ntohs(address.sin_port));
  }
  ~TlsServer() {
    hangUp();
    ::close(listener_);
    SSL_CTX_free(context_);
  }

  const std::string& port() const { return port_; }
  // Takes one connection; whether the handshake succeeded.
  bool accept() {
    hangUp();
    fd_ = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    return SSL_accept(ssl_) == 1;
  }
  std::string peerName() {
    char name[256] = "";
    X509* peer = SSL_get1_peer_certificate(ssl_);
    if (peer != nullptr) {
      X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, sizeof name);
      X509_free(peer);
    }
    return name;
  }
  // The type of the next message; none at the peer's end of file.
  std::optional<wire::MessageType> receive() {
    for (;;) {
      const auto step = reader_.next();
      if (!step.ok()) return std::nullopt;
      if (*step == wire::MessageReader::Step::kMessage) return reader_.message().type;
      const auto into = reader_.buffers()[0];
      const int n = SSL_read(ssl_, into.data(), static_cast<int>(into.size()));
      if (n <= 0) return std::nullopt;
      reader_.commit(static_cast<size_t>(n));
    }
  }
  template <typename T>
  void send(const T& message) {
    std::string bytes;
    encode(message, bytes);
    EXPECT_GT(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())), 0);
  }
  void hangUp() {
    if (ssl_ == nullptr) return;
    SSL_shutdown(ssl_);
    SSL_free(std::exchange(ssl_, nullptr));
    ::close(fd_);
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
  int listener_ = -1;
  int fd_ = -1;
  std::string port_;
  wire::MessageReader reader_;
};

class ShipperTlsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(checkpoints.load().ok());
    authority.issue(server.path(), "localhost", authority);
    authority.issue(agent.path(), "node-1", authority);
    options.session.node = "node-1";
    options.session.statsInterval = std::chrono::hours(1);
    options.backOffMin = options.backOffMax = std::chrono::milliseconds(1);
    options.tls = ShipperTls{agent.path(), ""};
  }
  void start(const std::string& host, TlsServer& tls) {
    options.aggregators = {host + ":" + tls.port()};
    shipper = std::make_unique<Shipper>(options, checkpoints, base::systemClock(), events);
    ASSERT_TRUE(shipper->start().ok());
  }

  test::TestAuthority authority;
  test::TempDir server, agent;
  test::CrashFileSystem files;
  CheckpointStore checkpoints{files, base::systemClock(), "/state"};
  RecordingEvents events;
  ShipperOptions options;
  std::unique_ptr<Shipper> shipper;
};

TEST_F(ShipperTlsTest, TalksAndClosesInOrder) {
  TlsServer tls(server.path());
  options.tls->serverName = "localhost";
  events.statsDue = [this](bool final) {
    wire::Stats stats;
    stats.final = final;
    shipper->sendStats(stats);
  };
  start("127.0.0.1", tls);
  ASSERT_TRUE(tls.accept());
  EXPECT_EQ(tls.peerName(), "node-1");
  ASSERT_EQ(tls.receive(), wire::MessageType::kHello);
  wire::HelloOk ok;
  ok.queueId = 1;
  ok.windowBytes = 1 << 20;
  tls.send(ok);
  events.waitFor("connected queue=1");
  shipper->drain(std::chrono::seconds(60),
                 [this](bool complete) { events.add(complete ? "drained" : "not drained"); });
  EXPECT_EQ(tls.receive(), wire::MessageType::kStats);
  EXPECT_EQ(tls.receive(), std::nullopt);
  tls.hangUp();
  events.waitFor("drained");
  shipper.reset();
}

TEST_F(ShipperTlsTest, RefusesAServerOfAnotherName) {
  TlsServer tls(server.path());
  start("127.0.0.1", tls);
  EXPECT_FALSE(tls.accept() && tls.receive().has_value());
  shipper.reset();
}

TEST_F(ShipperTlsTest, RefusesAServerOfAnotherAuthority) {
  test::TestAuthority other;
  other.issue(server.path(), "localhost", authority);
  TlsServer tls(server.path());
  options.tls->serverName = "localhost";
  start("127.0.0.1", tls);
  EXPECT_FALSE(tls.accept() && tls.receive().has_value());
  shipper.reset();
}

TEST_F(ShipperTlsTest, NamesTheFileThatCannotBeUsed) {
  for (const char* file : {"ca.crt", "tls.crt", "tls.key"}) {
    test::TempDir broken;
    authority.issue(broken.path(), "node-1", authority);
    ASSERT_EQ(::unlink((broken / file).c_str()), 0);
    options.tls->directory = broken.path();
    options.aggregators = {"localhost:1"};
    Shipper other(options, checkpoints, base::systemClock(), events);
    const base::Status status = other.start();
    ASSERT_EQ(status.code(), base::Errc::kFixInput);
    EXPECT_NE(status.message().find(file), std::string::npos) << status.message();
  }
}

}  // namespace
}  // namespace logtail::agent
