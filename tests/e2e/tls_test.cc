// The agent's shipper and the aggregator's receiver, over TLS.

#include <gtest/gtest.h>

#include <thread>

#include "agent/shipper.h"
#include "tests/agent/ship/recording_events.h"
#include "tests/agent/ship/units.h"
#include "tests/aggregator/receiver_fixture.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_certificates.h"

namespace logtail {
namespace {

using aggregator::TlsFailure;

class OverTls : public aggregator::ReceiverFixture {
 protected:
  void SetUp() override {
    authority.issue(server.path(), "localhost");
    authority.issue(client.path(), kNode);
    tlsDirectory = server.path();
    startAll();
    ASSERT_TRUE(checkpoints.load().ok());
    options.session.cluster = "c";
    options.session.node = kNode;
    options.session.statsInterval = std::chrono::hours(1);
    options.backOffMin = options.backOffMax = std::chrono::milliseconds(5);
    options.tls = agent::ShipperTls{client.path(), "localhost"};
    events.nameStream(agent::keyOf("p"), "p");
    events.statsDue = [this](bool final) {
      wire::Stats stats;
      stats.final = final;
      shipper->sendStats(stats);
    };
  }
  void TearDown() override { shipper.reset(); }

  void startShipper() {
    options.aggregators = {"127.0.0.1:" + std::to_string(port)};
    shipper = std::make_unique<agent::Shipper>(options, checkpoints, base::systemClock(), events);
    ASSERT_TRUE(shipper->start().ok());
  }
  void offer(size_t bytes) {
    agent::SealedUnit unit = agent::unitOf("p", at_, agent::noise(bytes, at_));
    const uint64_t to = unit.blocks[0].to;
    while (!shipper->offer(unit)) std::this_thread::yield();
    at_ = to;
  }
  template <typename Condition>
  void waitUntil(const Condition& condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < limit) std::this_thread::yield();
    EXPECT_TRUE(condition());
  }
  uint64_t failures(TlsFailure why) {
    return metrics.tlsFailures[static_cast<size_t>(why)]->value();
  }

  static constexpr char kNode[] = "n";  // of the units
  const test::TestAuthority authority;
  test::TempDir server, client;
  test::CrashFileSystem agentFiles;
  agent::CheckpointStore checkpoints{agentFiles, base::systemClock(), "/state"};
  agent::RecordingEvents events;
  agent::ShipperOptions options;
  std::unique_ptr<agent::Shipper> shipper;
  uint64_t at_ = 0;
};

TEST_F(OverTls, CarriesManyMegabytesAndEndsWithAReceipt) {
  startShipper();
  shipper->announce(agent::streamNamed("p"));
  events.waitFor("stream p new to=0");
  constexpr size_t kUnits = 200;
  for (size_t i = 0; i < kUnits; ++i) offer(100'000);
  shipper->drain(std::chrono::seconds(60),
                 [this](bool complete) { events.add(complete ? "drained" : "not drained"); });
  events.waitFor("drained");
  EXPECT_EQ(stateOf(agent::keyOf("p")).totals.consumedBytes, at_);
  EXPECT_EQ(stateOf(agent::keyOf("p")).totals.gaps, aggregator::Tally{});
  EXPECT_GT(metrics.frameBytes.value(), kUnits * 100'000);
  for (const auto& frame : frames()) EXPECT_EQ(frame.envelope.flags & wal::kEnvelopeUnproven, 0);
  EXPECT_EQ(shipper->counters().failedAttempts, 0u);
}

TEST_F(OverTls, TheAgentTakesItsNewCertificateAtTheNextConnection) {
  authority.issue(client.path(), {kNode, "DNS:n", "", -7200, -3600});
  startShipper();
  waitUntil([&] { return failures(TlsFailure::kExpired) >= 2; });
  authority.issue(client.path(), kNode);
  shipper->announce(agent::streamNamed("p"));
  events.waitFor("stream p new to=0");
}

TEST_F(OverTls, TheAgentComesBackAfterTheAggregatorsNewCertificates) {
  startShipper();
  shipper->announce(agent::streamNamed("p"));
  events.waitFor("stream p new to=0");
  offer(100);
  waitUntil([&] { return stateOf(agent::keyOf("p")).totals.consumedBytes == at_; });
  const test::TestAuthority next;
  next.issue(server.path(), "localhost");
  next.issue(client.path(), kNode);
  clock.advance(std::chrono::seconds(60));  // silent for too long: the connection ends
  waitUntil([&] { return shipper->counters().connects >= 2; });
  offer(100);
  waitUntil([&] { return stateOf(agent::keyOf("p")).totals.consumedBytes == at_; });
  EXPECT_EQ(metrics.tlsReloads.value(), 1u);
}

TEST_F(OverTls, AnAgentThatClaimsAnotherNodeIsRefused) {
  authority.issue(client.path(), "somebody-else");
  startShipper();
  waitUntil([&] { return failures(TlsFailure::kOtherNode) >= 1; });
  EXPECT_EQ(shipper->counters().connects, 0u);
}

TEST_F(OverTls, AnAgentWithoutTlsIsRefused) {
  options.tls.reset();
  startShipper();
  waitUntil([&] { return failures(TlsFailure::kNotTls) >= 1; });
  EXPECT_EQ(shipper->counters().connects, 0u);
}

TEST_F(OverTls, AnAgentWithTlsGetsNowhereWithoutItAtTheOtherEnd) {
  stopAll();
  tlsDirectory.clear();
  startAll();
  startShipper();
  waitUntil([&] { return shipper->counters().failedAttempts >= 2; });
  EXPECT_GE(metrics.malformed.value(), 1u);
  EXPECT_EQ(shipper->counters().connects, 0u);
}

}  // namespace
}  // namespace logtail
