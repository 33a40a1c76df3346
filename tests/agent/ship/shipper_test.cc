// The shipper against an aggregator that the test plays, over loopback.

#include "agent/shipper.h"

#include <gtest/gtest.h>

#include "tests/agent/ship/fake_aggregator.h"
#include "tests/agent/ship/recording_events.h"
#include "tests/agent/ship/units.h"
#include "tests/support/crash_file_system.h"

namespace logtail::agent {
namespace {

using wire::MessageType;
using wire::StreamStatus;

constexpr uint64_t kQueue = 77;

class ShipperTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(checkpoints->load().ok()); }
  void TearDown() override { shipper.reset(); }

  void start() {
    options.session.cluster = "c";
    options.session.node = "n";
    options.session.statsInterval = std::chrono::hours(1);
    options.backOffMin = std::chrono::milliseconds(1);
    options.backOffMax = std::chrono::milliseconds(20);
    if (options.aggregators.empty()) options.aggregators = {aggregator.address()};
    shipper = std::make_unique<Shipper>(options, *checkpoints, base::systemClock(), events);
    ASSERT_TRUE(shipper->start().ok());
  }
  void announce(const std::string& pod) {
    events.nameStream(keyOf(pod), pod);
    shipper->announce(streamNamed(pod));
  }
  // One more unit of the pod; its wire bytes, empty when it was refused.
  std::string offer(const std::string& pod, size_t bytes = 20) {
    SealedUnit unit = unitOf(pod, next_[pod], noise(bytes, next_[pod]));
    const std::string wireBytes = unit.bytes;
    const uint64_t to = unit.blocks[0].to;
    if (!shipper->offer(unit)) {
      EXPECT_EQ(unit.bytes, wireBytes) << "a refused unit is untouched";
      return {};
    }
    next_[pod] = to;
    return wireBytes;
  }
  // A connection with the pod's stream new and open.
  FakePeer connected(const std::string& pod) {
    FakePeer peer = aggregator.accept();
    hello = peer.welcome(kQueue);
    announce(pod);
    peer.answerStream(StreamStatus::kNew);
    events.waitFor("stream " + pod + " new to=0");
    return peer;
  }
  event::Resume resumeAt(const std::string& pod, uint64_t to) {
    event::Resume resume;
    resume.generations.push_back({{base::hash64(pod), 0}, 0, false, to, to});
    return resume;
  }
  uint64_t checkpointOf(const std::string& pod) {
    shipper->stop();
    CheckpointStore stored(files, base::systemClock(), "/state");
    EXPECT_TRUE(stored.load().ok());
    const auto* entry = stored.find(keyOf(pod));
    return entry == nullptr ? 0 : entry->resume.generations.back().to;
  }

  FakeAggregator aggregator;
  test::CrashFileSystem files;
  std::unique_ptr<CheckpointStore> checkpoints =
      std::make_unique<CheckpointStore>(files, base::systemClock(), "/state");
  RecordingEvents events;
  ShipperOptions options;
  std::unique_ptr<Shipper> shipper;
  wire::Hello hello;
  std::map<std::string, uint64_t> next_;
};

TEST_F(ShipperTest, ShipsAUnitAndMovesTheCheckpointWithItsAck) {
  start();
  FakePeer peer = connected("a");
  EXPECT_EQ(hello.node, "n");
  EXPECT_NE(hello.life, 0u);
  EXPECT_EQ(hello.nextSequence, 1u);
  EXPECT_TRUE(hello.fresh);
  const std::string unit = offer("a");
  EXPECT_EQ(peer.expectFrame(1).payload, unit);
  EXPECT_EQ(events.count("acked a to=61 queue=77"), 0);
  peer.send(wire::Ack{1, kQueue, {}});
  events.waitFor("acked a to=61 queue=77");
  EXPECT_EQ(shipper->counters().frames.ackedFrames, 1u);
  EXPECT_EQ(shipper->counters().heldBytes, 0u);
  EXPECT_EQ(checkpointOf("a"), 61u);
}

TEST_F(ShipperTest, ResendsByteForByteWhenTheAckAndTheConnectionAreLost) {
  start();
  std::string first, second;
  uint64_t life = 0;
  {
    FakePeer peer = connected("a");
    life = hello.life;
    offer("a");
    first = peer.expectFrame(1).payload;
    offer("a");
    second = peer.expectFrame(2).payload;
  }
  FakePeer peer = aggregator.accept();
  const wire::Hello again = peer.welcome(kQueue, 1);
  EXPECT_EQ(again.life, life);
  EXPECT_EQ(again.nextSequence, 1u);
  EXPECT_FALSE(again.fresh);
  events.waitFor("acked a to=61 queue=77");
  const wire::StreamOpen stream = peer.answerStream(StreamStatus::kKnown, resumeAt("a", 61));
  ASSERT_TRUE(stream.checkpoint);
  EXPECT_EQ(stream.checkpoint->queueId, kQueue);
  EXPECT_EQ(stream.checkpoint->resume.generations.back().to, 61u);
  EXPECT_EQ(peer.expectFrame(2).payload, second);
  peer.send(wire::Ack{2, kQueue, {}});
  events.waitFor("acked a to=122 queue=77");
  EXPECT_EQ(events.count("acked a to=61 queue=77"), 1);
  EXPECT_EQ(events.count("stream a known to=61"), 0) << "the receiver goes on where it is";
  EXPECT_EQ(shipper->counters().frames.resentFrames, 1u);
}

TEST_F(ShipperTest, FramesWaitForTheStreamOkOfTheirStreamsAfterAReconnect) {
  start();
  {
    FakePeer peer = connected("a");
    announce("idle");
    peer.answerStream(StreamStatus::kNew);
    offer("a");
    peer.expectFrame(1);
  }
  FakePeer peer = aggregator.accept();
  peer.welcome(kQueue);
  const wire::StreamOpen first = peer.expectStream();
  EXPECT_EQ(first.key, keyOf("a")) << "streams with frames under way come first";
  EXPECT_EQ(peer.expectStream().key, keyOf("idle"));
  peer.send(wire::Ping{5});
  peer.expect(MessageType::kPong);  // and no frame before it
  peer.send(wire::StreamOk{first.key, StreamStatus::kKnown, {}});
  peer.expectFrame(1);  // the idle stream's answer is not waited for
}

TEST_F(ShipperTest, NackSendsTheSameFramesAgain) {
  start();
  FakePeer peer = connected("a");
  offer("a");
  const std::string first = peer.expectFrame(1).payload;
  offer("a");
  const std::string second = peer.expectFrame(2).payload;
  peer.send(wire::Nack{1, wire::NackReason::kQueueFull, 1, std::nullopt});
  EXPECT_EQ(peer.expectFrame(1).payload, first);
  EXPECT_EQ(peer.expectFrame(2).payload, second);
  peer.send(wire::Ack{2, kQueue, {}});
  events.waitFor("acked a to=122 queue=77");
  EXPECT_EQ(shipper->counters().nacks[static_cast<size_t>(wire::NackReason::kQueueFull)], 1u);
}

TEST_F(ShipperTest, RefusesOffersWhenTheWindowIsFullAndTellsOfRoomOnce) {
  options.windowBytes = 300'000;
  start();
  FakePeer peer = connected("a");
  uint64_t offered = 0;
  while (!offer("a", 100'000).empty()) ++offered;
  EXPECT_EQ(offered, 2u);
  EXPECT_EQ(events.count("room"), 0);
  uint64_t taken = 0;
  uint64_t last = 0;
  while (taken < offered) {
    const Received frame = peer.expect(MessageType::kFrame);
    taken += frame.frame.units;
    last = frame.frame.sequence;
  }
  peer.send(wire::Ack{last, kQueue, {}});
  events.waitFor("room");
  EXPECT_FALSE(offer("a", 100'000).empty());
}

TEST_F(ShipperTest, AnotherQueueWithFramesUnderWayStartsANewLife) {
  start();
  uint64_t life = 0;
  {
    FakePeer peer = connected("a");
    life = hello.life;
    offer("a");
    peer.expectFrame(1);
    peer.send(wire::Ack{1, kQueue, {}});
    events.waitFor("acked a to=61 queue=77");
    offer("a");
    peer.expectFrame(2);
  }
  {
    FakePeer peer = aggregator.accept();
    peer.welcome(kQueue + 1);
    peer.expectEnd();
  }
  events.waitFor("reset queue_changed");
  EXPECT_TRUE(offer("a").empty()) << "still cut from the old life";
  shipper->resetDone();
  events.waitFor("room");
  FakePeer peer = aggregator.accept();
  const wire::Hello again = peer.welcome(kQueue + 1);
  EXPECT_NE(again.life, life);
  EXPECT_EQ(again.nextSequence, 1u);
  const wire::StreamOpen stream = peer.answerStream(StreamStatus::kMoved, resumeAt("a", 61));
  EXPECT_EQ(stream.checkpoint->queueId, kQueue);
  events.waitFor("stream a moved to=61 checkpoint=61");
}

TEST_F(ShipperTest, AnotherQueueWithNothingUnderWayGoesOn) {
  start();
  { FakePeer peer = connected("a"); }
  FakePeer peer = aggregator.accept();
  peer.welcome(kQueue + 1);
  peer.answerStream(StreamStatus::kNew);
  const std::string unit = offer("a");
  EXPECT_EQ(peer.expectFrame(1).payload, unit);
  peer.send(wire::Ack{1, kQueue + 1, {}});
  events.waitFor("acked a to=61 queue=78");
}

TEST_F(ShipperTest, LostAfterAckInTheMiddleOfALifeStartsANewOne) {
  start();
  {
    FakePeer peer = connected("a");
    offer("a");
    peer.expectFrame(1);
    peer.send(wire::Ack{1, kQueue, {}});
    events.waitFor("acked a to=61 queue=77");
  }
  {
    FakePeer peer = aggregator.accept();
    peer.welcome(kQueue);
    peer.answerStream(StreamStatus::kLostAfterAck, resumeAt("a", 10));
    peer.expectEnd();
  }
  events.waitFor("reset lost_after_ack");
  shipper->resetDone();
  FakePeer peer = aggregator.accept();
  peer.welcome(kQueue);
  peer.answerStream(StreamStatus::kLostAfterAck, resumeAt("a", 10));
  events.waitFor("stream a lost_after_ack to=10 checkpoint=61");
  next_["a"] = 10;
  const std::string unit = offer("a");
  EXPECT_EQ(peer.expectFrame(1).payload, unit);
}

TEST_F(ShipperTest, LostAfterAckBeforeAnythingNewWasAckedIsNoReasonForAnotherLife) {
  start();
  for (int i = 0; i < 2; ++i) {
    FakePeer peer = aggregator.accept();
    peer.welcome(kQueue);
    if (i == 0) announce("a");
    peer.answerStream(StreamStatus::kLostAfterAck, resumeAt("a", 10));
    peer.send(wire::Ping{1});
    peer.expect(MessageType::kPong);
  }
  EXPECT_EQ(shipper->counters().resets, 0u);
}

TEST_F(ShipperTest, OverlapStartsANewLife) {
  start();
  {
    FakePeer peer = connected("a");
    offer("a");
    peer.expectFrame(1);
    peer.send(wire::Nack{1, wire::NackReason::kOverlap, 0,
                         wire::Nack::Where{keyOf("a"), resumeAt("a", 10)}});
    peer.expectEnd();
  }
  events.waitFor("reset overlap");
  shipper->resetDone();
  FakePeer peer = aggregator.accept();
  EXPECT_NE(peer.welcome(kQueue).life, hello.life);
}

TEST_F(ShipperTest, AFencedAgentComesBackWithTheSameLife) {
  start();
  for (int i = 0; i < 2; ++i) {
    FakePeer peer = aggregator.accept();
    const wire::Hello said = peer.expectHello();
    if (i == 0) hello = said;
    EXPECT_EQ(said.life, hello.life);
    peer.send(wire::ErrorMessage{wire::ErrorCode::kFenced, "a newer one is here"});
    peer.expectEnd();
  }
}

TEST_F(ShipperTest, NonsenseIsAnsweredWithMalformedAndAnotherAttempt) {
  start();
  const std::string nonsense[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", std::string(64, '\0'),
                                  std::string(4096, '\xff')};
  for (const std::string& bytes : nonsense) {
    FakePeer peer = aggregator.accept();
    peer.expectHello();
    peer.sendRaw(bytes);
    const auto error = wire::decodeError(peer.expect(MessageType::kError).payload);
    ASSERT_TRUE(error.ok());
    EXPECT_EQ(error->code, wire::ErrorCode::kMalformed);
    peer.expectEnd();
  }
  FakePeer peer = connected("a");
  peer.send(wire::Ack{9, kQueue, {}});  // of a frame that was never sent
  peer.expect(MessageType::kError);
}

TEST_F(ShipperTest, ASlowReaderGetsEveryByte) {
  start();
  FakePeer peer = connected("a");
  std::string sent;
  for (int i = 0; i < 30; ++i) sent += offer("a", 250'000);
  std::string received;
  uint64_t last = 0;
  while (received.size() < sent.size()) {
    const Received frame = peer.expectFrame(last + 1);
    if (frame.payload.empty()) break;
    received += frame.payload;
    last = frame.frame.sequence;
    peer.send(wire::Ack{last, kQueue, {}});
  }
  EXPECT_TRUE(received == sent);
}

TEST_F(ShipperTest, ForbiddenStreamsAndBlocksDoNotMoveTheCheckpoint) {
  start();
  FakePeer peer = aggregator.accept();
  peer.welcome(kQueue);
  announce("theirs");
  peer.answerStream(StreamStatus::kForbidden);
  events.waitFor("forbidden theirs");
  announce("a");
  peer.answerStream(StreamStatus::kNew);
  offer("a");
  peer.expectFrame(1);
  peer.send(wire::Ack{1, kQueue, {{1, 0}}});
  events.waitFor("forbidden a");
  EXPECT_EQ(events.count("acked a to=61 queue=77"), 0);
  EXPECT_EQ(shipper->counters().forbiddenBlocks, 1u);
  EXPECT_EQ(checkpointOf("a"), 0u);
}

TEST_F(ShipperTest, TriesTheAggregatorsInTurn) {
  FakeAggregator dead[2];
  options.aggregators = {dead[0].address(), dead[1].address(), aggregator.address()};
  for (FakeAggregator& each : dead) each.stopListening();
  start();
  connected("a");
  EXPECT_GE(shipper->counters().failedAttempts, 2u);
}

TEST_F(ShipperTest, RefusesAddressesItCannotUse) {
  for (const char* bad : {"host", "host:", ":1", "host:99999", "host:x", "::1:24300", ""}) {
    options.aggregators = {bad};
    Shipper other(options, *checkpoints, base::systemClock(), events);
    EXPECT_EQ(other.start().code(), base::Errc::kFixInput) << bad;
  }
}

TEST_F(ShipperTest, DrainAcknowledgesEndsSaysTheLastStatsAndWaitsForTheReceipt) {
  start();
  events.statsDue = [this](bool final) {
    wire::Stats stats;
    stats.final = final;
    stats.streams.resize(wire::kMaxStatsStreams + 1);
    shipper->sendStats(std::move(stats));
  };
  FakePeer peer = connected("a");
  const std::string unit = offer("a");
  shipper->end(keyOf("a"));
  shipper->drain(std::chrono::seconds(60),
                 [this](bool complete) { events.add(complete ? "drained" : "not drained"); });
  EXPECT_TRUE(offer("a").empty()) << "no more offers";
  EXPECT_EQ(peer.expectFrame(1).payload, unit);
  peer.send(wire::Ack{1, kQueue, {}});
  peer.expect(MessageType::kStreamEnd);
  peer.send(wire::Ping{1});
  peer.expect(MessageType::kPong);  // and no STATS before the end is durable
  peer.send(wire::StreamOk{keyOf("a"), StreamStatus::kEnded, {}});
  const auto first = wire::decodeStats(peer.expect(MessageType::kStats).payload);
  EXPECT_FALSE(first->final);
  const auto second = wire::decodeStats(peer.expect(MessageType::kStats).payload);
  EXPECT_TRUE(second->final);
  EXPECT_EQ(second->streams.size(), 1u);
  peer.expectEnd();
  EXPECT_EQ(events.count("drained"), 0) << "the receipt is still to come";
  peer.close();
  events.waitFor("drained");
  EXPECT_EQ(checkpointOf("a"), 0u) << "an ended stream is forgotten";
}

TEST_F(ShipperTest, DrainGivesUpAtItsDeadline) {
  start();
  FakePeer peer = connected("a");
  offer("a");
  peer.expectFrame(1);
  shipper->drain(std::chrono::milliseconds(1),
                 [this](bool complete) { events.add(complete ? "drained" : "not drained"); });
  events.waitFor("not drained");
  peer.expectEnd();
}

TEST_F(ShipperTest, AnEndThatWasNotAnsweredIsSaidAgainAfterARestart) {
  start();
  {
    FakePeer peer = connected("a");
    offer("a");
    peer.expectFrame(1);
    peer.send(wire::Ack{1, kQueue, {}});
    events.waitFor("acked a to=61 queue=77");
    shipper->end(keyOf("a"));
    peer.expect(MessageType::kStreamEnd);
  }
  shipper->stop();
  checkpoints = std::make_unique<CheckpointStore>(files, base::systemClock(), "/state");
  ASSERT_TRUE(checkpoints->load().ok());
  ASSERT_TRUE(checkpoints->find(keyOf("a"))->ended);
  start();
  FakePeer peer = aggregator.accept();
  EXPECT_FALSE(peer.welcome(kQueue).fresh);
  EXPECT_EQ(peer.answerStream(StreamStatus::kKnown, resumeAt("a", 61)).key, keyOf("a"));
  peer.expect(MessageType::kStreamEnd);
  peer.send(wire::StreamOk{keyOf("a"), StreamStatus::kEnded, {}});
  peer.send(wire::Ping{1});
  peer.expect(MessageType::kPong);
  EXPECT_EQ(checkpointOf("a"), 0u);
}

TEST_F(ShipperTest, StopsInTheMiddleOfEverything) {
  start();
  FakePeer peer = connected("a");
  for (int i = 0; i < 20; ++i) offer("a", 250'000);
  peer.expectFrame(1);
  shipper.reset();
}

}  // namespace
}  // namespace logtail::agent
