// The receiver's TLS: who gets in, as which node, and what becomes of those who do not.

#include <signal.h>

#include <thread>

#include "tests/aggregator/receiver_fixture.h"
#include "tests/aggregator/scripted_tls_agent.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"

namespace logtail::aggregator {
namespace {

class ReceiverTls : public ReceiverFixture {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that may be closed
    authority.issue(own.path(), "aggregator");
    authority.issue(node1.path(), "n1");
    authority.issue(node2.path(), "n2");
    tlsDirectory = own.path();
    threads = 2;
    startAll();
  }

  uint64_t failures(TlsFailure why) {
    return metrics.tlsFailures[static_cast<size_t>(why)]->value();
  }
  // The receiver counts on its own thread.
  void waitFor(TlsFailure why, uint64_t count = 1) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (failures(why) < count && std::chrono::steady_clock::now() < limit) {
      std::this_thread::yield();
    }
    EXPECT_EQ(failures(why), count) << name(why);
  }
  uint64_t allFailures() {
    uint64_t all = 0;
    for (const auto* counter : metrics.tlsFailures) all += counter->value();
    return all;
  }
  // Ends without a session, for that reason alone.
  void expectRefused(const test::Certificate& certificate, TlsFailure why) {
    test::TempDir directory;
    authority.issue(directory.path(), certificate);
    const uint64_t before = failures(why);
    const uint64_t all = allFailures();
    ScriptedTlsAgent agent(port, directory.path());
    agent.sayHello("n1", 7);
    while (agent.next()) EXPECT_EQ(agent.message().type, wire::MessageType::kError);
    waitFor(why, before + 1);
    EXPECT_EQ(allFailures(), all + 1);
  }

  test::TestAuthority authority;
  test::TempDir own, node1, node2;
};

TEST_F(ReceiverTls, TakesTheNodeFromTheCertificate) {
  ScriptedTlsAgent agent(port, node1.path());
  EXPECT_EQ(agent.version(), "TLSv1.3");
  agent.hello("n1", 7);
  EXPECT_EQ(agent.stream(a).status, wire::StreamStatus::kNew);
  agent.frame(1, maker.unit({a.key()}, 10).unit);
  agent.ack(1);
  const auto found = frames();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].envelope.node, "n1");
  EXPECT_EQ(found[0].envelope.flags & wal::kEnvelopeUnproven, 0);
  EXPECT_EQ(allFailures(), 0u);
}

TEST_F(ReceiverTls, TakesTheNodeFromASpiffeUriToo) {
  authority.issue(node1.path(), {"somebody", "URI:spiffe://cluster.local/node/n1,IP:10.0.0.1", ""});
  ScriptedTlsAgent agent(port, node1.path(), true, TLS1_2_VERSION);
  EXPECT_EQ(agent.version(), "TLSv1.2");
  agent.hello("n1", 7);
  EXPECT_EQ(agent.stream(a).status, wire::StreamStatus::kNew);
}

TEST_F(ReceiverTls, RefusesAHelloThatClaimsAnotherNodeAndFencesNobody) {
  ScriptedTlsAgent honest(port, node1.path());
  honest.hello("n1", 7);
  for (const char* claimed : {"n1", "n3", "N2"}) {
    ScriptedTlsAgent liar(port, node2.path());
    liar.sayHello(claimed, 9);
    const wire::ErrorMessage error = liar.error();
    EXPECT_EQ(error.code, wire::ErrorCode::kNotAuthorised);
    EXPECT_NE(error.text.find("node n2's"), std::string::npos) << error.text;
    liar.halfClose();
    EXPECT_TRUE(liar.ends());
  }
  EXPECT_EQ(failures(TlsFailure::kOtherNode), 3u);
  EXPECT_EQ(honest.stream(a).status, wire::StreamStatus::kNew);
}

TEST_F(ReceiverTls, ForbidsAnotherNodesStream) {
  ScriptedTlsAgent honest(port, node1.path());
  honest.hello("n1", 7);
  honest.stream(a);
  ScriptedTlsAgent other(port, node2.path());
  other.hello("n2", 9);
  EXPECT_EQ(other.stream(a).status, wire::StreamStatus::kForbidden);
  const event::StreamDescription its = describe("n2", "own");
  other.stream(its);
  other.frame(1, maker.unit({its.key(), a.key()}, 2).unit);
  EXPECT_EQ(other.ack(1).forbidden, (std::vector<wire::RefusedBlock>{{1, 1}}));
}

TEST_F(ReceiverTls, RefusesCertificatesThatProveNothing) {
  const long hour = 3600;
  expectRefused({"n1", "DNS:n1", "", -2 * hour, -hour}, TlsFailure::kExpired);
  expectRefused({"n1", "DNS:n1", "", hour, 2 * hour}, TlsFailure::kExpired);
  expectRefused({"n1", "DNS:n1", "serverAuth"}, TlsFailure::kUntrusted);
  expectRefused({"n1", "", ""}, TlsFailure::kNoName);
  expectRefused({"n1", "IP:127.0.0.1,URI:https://n1/node/n1", ""}, TlsFailure::kNoName);
  expectRefused({"n1", "DNS:*.cluster", ""}, TlsFailure::kNoName);
  expectRefused({"n1", "DNS:n1,DNS:n2", ""}, TlsFailure::kSeveralNames);
  expectRefused({"n1", "DNS:n1,URI:spiffe://c/node/n2", ""}, TlsFailure::kSeveralNames);
}

TEST_F(ReceiverTls, TellsAnAgentWhatItsCertificateLacks) {
  authority.issue(node1.path(), {"n1", "DNS:n1,DNS:n2", ""});
  ScriptedTlsAgent agent(port, node1.path());
  const wire::ErrorMessage error = agent.error();
  EXPECT_EQ(error.code, wire::ErrorCode::kNotAuthorised);
  EXPECT_EQ(error.text, "the certificate names several nodes: n1, n2");
  EXPECT_TRUE(agent.ends());
  EXPECT_TRUE(agent.endedInOrder());
}

TEST_F(ReceiverTls, RefusesAnotherAuthoritysCertificate) {
  const test::TestAuthority other;
  other.issue(node1.path(), {"n1", "DNS:n1", ""}, authority);
  ScriptedTlsAgent agent(port, node1.path());
  EXPECT_FALSE(agent.next());
  waitFor(TlsFailure::kUntrusted);
}

TEST_F(ReceiverTls, RefusesAnAgentWithoutACertificate) {
  ScriptedTlsAgent agent(port, node1.path(), false);
  EXPECT_FALSE(agent.next());
  EXPECT_NE(agent.said().find("certificate required"), std::string::npos) << agent.said();
  waitFor(TlsFailure::kNoCertificate);
}

TEST_F(ReceiverTls, RefusesAnOlderTls) {
  const ScriptedTlsAgent agent(port, node1.path(), true, TLS1_1_VERSION);
  EXPECT_FALSE(agent.handshaken());
  EXPECT_NE(agent.said().find("protocol version"), std::string::npos) << agent.said();
  waitFor(TlsFailure::kVersion);
}

TEST_F(ReceiverTls, TellsAnAgentWithoutTlsInItsOwnLanguage) {
  ScriptedAgent agent(port);
  agent.sayHello("n1", 7);
  const wire::ErrorMessage error = agent.error();
  EXPECT_EQ(error.code, wire::ErrorCode::kNotAuthorised);
  EXPECT_NE(error.text.find("tls.dir"), std::string::npos);
  EXPECT_TRUE(agent.ends());
  waitFor(TlsFailure::kNotTls);
}

TEST_F(ReceiverTls, CountsAnAgentThatGoesAwayInTheMiddle) {
  {
    ScriptedAgent agent(port);
    agent.sendBytes("\x16");
  }
  { const ScriptedAgent silent(port); }
  waitFor(TlsFailure::kClosed, 2);
}

TEST_F(ReceiverTls, EndsAHandshakeThatNeverFinishes) {
  ScriptedAgent silent(port);
  ScriptedAgent slow(port);
  slow.sendBytes(std::string("\x16\x03\x01\x02\x00\x01", 6));
  // Both have begun once an agent that came later is through.
  ScriptedTlsAgent agent(port, node1.path());
  agent.hello("n1", 7);
  clock.advance(std::chrono::seconds(11));
  EXPECT_TRUE(silent.ends());
  EXPECT_TRUE(slow.ends());
  waitFor(TlsFailure::kTimeout, 2);
}

TEST_F(ReceiverTls, LetsAnAgentInThoughIdleConnectionsFillTheRoom) {
  std::vector<std::unique_ptr<ScriptedAgent>> idle;
  for (size_t i = 0; i < 3 * pendingHandshakes; ++i) {
    idle.push_back(std::make_unique<ScriptedAgent>(port));
  }
  ScriptedTlsAgent agent(port, node1.path());
  agent.hello("n1", 7);
  EXPECT_EQ(agent.stream(a).status, wire::StreamStatus::kNew);
  waitFor(TlsFailure::kPushedOut, 2 * pendingHandshakes + 1);
  EXPECT_TRUE(idle.front()->ends());
  EXPECT_EQ(metrics.tlsPending.value(), static_cast<double>(pendingHandshakes - 1));
}

TEST_F(ReceiverTls, UsesNewCertificatesForNewConnections) {
  ScriptedTlsAgent before(port, node1.path());
  before.hello("n1", 7);
  authority.issue(own.path(), "aggregator");
  clock.advance(std::chrono::seconds(1));
  ScriptedTlsAgent after(port, node2.path());
  after.hello("n2", 9);
  EXPECT_NE(after.serial(), before.serial());
  EXPECT_EQ(metrics.tlsReloads.value(), 1u);
  EXPECT_EQ(before.stream(a).status, wire::StreamStatus::kNew);  // it lives on

  // Another authority: who was welcome is not any more.
  const test::TestAuthority other;
  other.issue(own.path(), "aggregator");
  clock.advance(std::chrono::seconds(1));
  ScriptedTlsAgent refused(port, node2.path());
  EXPECT_FALSE(refused.handshaken());
  waitFor(TlsFailure::kRefused);
  other.issue(node2.path(), "n2");
  ScriptedTlsAgent welcome(port, node2.path());
  welcome.hello("n2", 9);
}

TEST_F(ReceiverTls, KeepsTheFormerCertificatesWhenTheNewOnesAreBad) {
  const ScriptedTlsAgent before(port, node1.path());
  test::TempDir another;
  authority.issue(another.path(), "aggregator");
  ASSERT_EQ(::rename((another / "tls.key").c_str(), (own / "tls.key").c_str()), 0);
  for (int i = 0; i < 3; ++i) {
    clock.advance(std::chrono::seconds(1));
    ScriptedTlsAgent agent(port, node2.path());
    agent.hello("n2", 9);
    EXPECT_EQ(agent.serial(), before.serial());
  }
  EXPECT_EQ(metrics.tlsReloadFailures.value(), 1u);
  ASSERT_EQ(::rename((another / "tls.crt").c_str(), (own / "tls.crt").c_str()), 0);
  clock.advance(std::chrono::seconds(1));
  ScriptedTlsAgent agent(port, node2.path());
  agent.hello("n2", 9);
  EXPECT_NE(agent.serial(), before.serial());
  EXPECT_EQ(metrics.tlsReloads.value(), 1u);
}

TEST_F(ReceiverTls, TellsWhenItsCertificateEnds) {
  const double end = metrics.tlsCertificateEnd.value();
  EXPECT_NEAR(end, static_cast<double>(::time(nullptr)) + 24 * 3600, 60);
}

TEST_F(ReceiverTls, ClosesInOrderOnceAllIsDurableWhenTheAgentIsDone) {
  ScriptedTlsAgent agent(port, node1.path());
  agent.hello("n1", 7);
  agent.stream(a);
  agent.frame(1, maker.unit({a.key()}, 2).unit);
  agent.halfClose();
  agent.ack(1);
  EXPECT_TRUE(agent.ends());
  EXPECT_TRUE(agent.endedInOrder()) << agent.said();
}

TEST_F(ReceiverTls, ItsLastWordsReachAnAgentThatGoesOnSending) {
  ScriptedTlsAgent agent(port, node1.path());
  agent.hello("n1", 7);
  agent.sendBytes(std::string(300'000, '\xff'));  // malformed from its first byte
  EXPECT_EQ(agent.error().code, wire::ErrorCode::kMalformed);
  EXPECT_TRUE(agent.ends());
  EXPECT_TRUE(agent.endedInOrder()) << agent.said();
}

TEST_F(ReceiverTls, TakesManyFrames) {
  ScriptedTlsAgent agent(port, node1.path());
  agent.hello("n1", 7);
  agent.stream(a);
  constexpr uint64_t kFrames = 100;
  uint64_t bytes = 0;
  for (uint64_t i = 1; i <= kFrames; ++i) {
    const std::string unit = maker.unit({a.key()}, 3000).unit;
    bytes += unit.size();
    agent.frame(i, unit);
    if (i % 10 == 0) agent.ack(i);
  }
  EXPECT_EQ(metrics.frameBytes.value(), bytes);
  EXPECT_EQ(stateOf(a.key()).ofLife.digest, maker.sealed(a.key()).digest);
}

TEST_F(ReceiverTls, SaysWhichFileItCannotUse) {
  for (const char* file : {"ca.crt", "tls.crt", "tls.key"}) {
    test::TempDir directory;
    authority.issue(directory.path(), "aggregator");
    ASSERT_EQ(::unlink((directory / file).c_str()), 0);
    Receiver::Options options;
    options.host = "127.0.0.1";
    options.port = 0;
    options.tlsDirectory = directory.path();
    Receiver other(options, *intake, *budget, clock, metrics);
    const base::Status status = other.start();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.code(), base::Errc::kFixInput);
    EXPECT_NE(status.message().find(directory / file), std::string::npos) << status.message();
  }
}

TEST_F(ReceiverFixture, ItsPlainPortSaysSoToAnAgentThatSpeaksTls) {
  ::signal(SIGPIPE, SIG_IGN);
  const test::TestAuthority authority;
  const test::TempDir directory;
  authority.issue(directory.path(), "n1");
  const ScriptedTlsAgent agent(port, directory.path());
  EXPECT_FALSE(agent.handshaken());
  EXPECT_EQ(agent.said(), "wrong version number");
  // And to itself: the message, as the log has it.
  ScriptedAgent raw(port);
  raw.sendBytes(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", 12));
  EXPECT_NE(raw.error().text.find("TLS"), std::string::npos);
}

}  // namespace
}  // namespace logtail::aggregator
