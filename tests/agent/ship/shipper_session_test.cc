// The conversation without sockets, on a clock of the test's.

#include "agent/shipper_session.h"

#include <gtest/gtest.h>

#include "common/wire/message_reader.h"
#include "tests/agent/ship/recording_events.h"
#include "tests/agent/ship/units.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::agent {
namespace {

using Kind = Outcome::Kind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using wire::MessageType;

class ShipperSessionTest : public testing::Test {
 protected:
  ShipperSessionTest() {
    options.node = "n";
    session.emplace(options, window, checkpoints, clock, events);
  }

  template <typename T>
  Outcome say(MessageType type, const T& message) {
    std::string bytes;
    encode(message, bytes);
    bytes.erase(0, wire::kMessageHeaderBytes);
    return session->take({type, bytes});
  }
  void greet() {
    session->begin();
    session->control();
    wire::HelloOk hello;
    hello.queueId = 7;
    hello.windowBytes = 1 << 20;
    ASSERT_TRUE(say(MessageType::kHelloOk, hello).ok());
  }
  void openStream(const std::string& pod) {
    events.nameStream(keyOf(pod), pod);
    std::string description;
    event::encode(streamNamed(pod), description);
    session->announce(keyOf(pod), description);
    EXPECT_EQ(said(), "STREAM");
    ASSERT_TRUE(
        say(MessageType::kStreamOk, wire::StreamOk{keyOf(pod), wire::StreamStatus::kNew, {}}).ok());
  }
  void offer(const std::string& pod, uint64_t from) {
    ASSERT_TRUE(window.window.offer(unitOf(pod, from, "x")));
  }
  // The types of the control messages since the last call.
  std::string said() {
    const std::string bytes = session->control();
    std::string types;
    for (size_t at = 0; at < bytes.size();) {
      const auto header = wire::peekMessageHeader(bytes.data() + at);
      if (!types.empty()) types += ' ';
      types += wire::name(header->type);
      at += wire::kMessageHeaderBytes + header->length;
    }
    return types;
  }

  test::FakeClock clock;
  test::CrashFileSystem files;
  CheckpointStore checkpoints{files, clock, "/state"};
  LockedWindow window{1 << 20};
  RecordingEvents events;
  SessionOptions options;
  std::optional<ShipperSession> session;
};

TEST_F(ShipperSessionTest, PingsAfterTenSilentSecondsAndGivesUpAfterThirty) {
  options.statsInterval = seconds(1000);
  session.emplace(options, window, checkpoints, clock, events);
  greet();
  clock.advance(seconds(9));
  EXPECT_TRUE(session->tick().ok());
  EXPECT_EQ(said(), "");
  clock.advance(seconds(1));
  EXPECT_EQ(session->wakeAt(), clock.steady());
  EXPECT_TRUE(session->tick().ok());
  EXPECT_EQ(said(), "PING");
  EXPECT_TRUE(say(MessageType::kPong, wire::Pong{1}).ok());
  clock.advance(seconds(29));
  EXPECT_TRUE(session->tick().ok());
  clock.advance(seconds(1));
  EXPECT_EQ(session->tick().kind, Kind::kBackOff);
}

TEST_F(ShipperSessionTest, AnAggregatorThatNeverAnswersHelloIsGivenUp) {
  session->begin();
  clock.advance(seconds(30));
  EXPECT_LE(session->wakeAt(), clock.steady());
  EXPECT_EQ(session->tick().kind, Kind::kBackOff);
}

TEST_F(ShipperSessionTest, AsksForStatsAtTheirInterval) {
  greet();
  clock.advance(options.statsInterval);
  EXPECT_TRUE(session->tick().ok());
  EXPECT_TRUE(session->tick().ok());
  EXPECT_EQ(events.count("stats due"), 1);
  session->sendStats({});
  EXPECT_EQ(said(), "STATS");
}

TEST_F(ShipperSessionTest, WakesForTheEndOfANacksDelayAndNotAgainAfterIt) {
  greet();
  openStream("a");
  offer("a", 0);
  ASSERT_NE(session->frame(), nullptr);
  ASSERT_TRUE(say(MessageType::kNack, wire::Nack{1, wire::NackReason::kQueueFull, 500, {}}).ok());
  EXPECT_EQ(session->frame(), nullptr);
  EXPECT_EQ(session->wakeAt(), clock.steady() + milliseconds(500));
  clock.advance(milliseconds(500));
  EXPECT_GT(session->wakeAt(), clock.steady()) << "a busy socket is not polled";
  EXPECT_NE(session->frame(), nullptr);
}

TEST_F(ShipperSessionTest, AFrameThatStaysDamagedIsCutAnew) {
  greet();
  openStream("a");
  offer("a", 0);
  Outcome outcome;
  int nacks = 0;
  while (outcome.ok() && nacks < 100) {
    ASSERT_NE(session->frame(), nullptr);
    outcome = say(MessageType::kNack, wire::Nack{1, wire::NackReason::kDamaged, 0, {}});
    clock.advance(milliseconds(10));
    ++nacks;
  }
  EXPECT_EQ(nacks, 8);
  EXPECT_EQ(outcome.kind, Kind::kReconnect);
  EXPECT_EQ(events.count("reset damaged"), 1);
}

TEST_F(ShipperSessionTest, AnUnknownStreamMakesItConnectAgain) {
  greet();
  openStream("a");
  offer("a", 0);
  ASSERT_NE(session->frame(), nullptr);
  EXPECT_EQ(say(MessageType::kNack, wire::Nack{1, wire::NackReason::kUnknownStream, 0, {}}).kind,
            Kind::kBackOff);
}

TEST_F(ShipperSessionTest, MessagesOutOfTurnAreMalformed) {
  session->begin();
  EXPECT_EQ(say(MessageType::kAck, wire::Ack{0, 7, {}}).kind, Kind::kMalformed);
  session->end();
  greet();
  EXPECT_EQ(say(MessageType::kHelloOk, wire::HelloOk{1, 7, 1, false, 0, 1, 1 << 20}).kind,
            Kind::kMalformed);
  EXPECT_EQ(say(MessageType::kHello, wire::Hello{}).kind, Kind::kMalformed);
  EXPECT_EQ(say(MessageType::kAck, wire::Ack{0, 8, {}}).kind, Kind::kMalformed) << "another queue";
}

TEST_F(ShipperSessionTest, ErrorsThatOnlyAPersonCuresAreNotRetriedInHaste) {
  const std::pair<wire::ErrorCode, Kind> rows[] = {
      {wire::ErrorCode::kVersion, Kind::kRefused},
      {wire::ErrorCode::kNotAuthorised, Kind::kRefused},
      {wire::ErrorCode::kFenced, Kind::kRefused},
      {wire::ErrorCode::kOverLimit, Kind::kRefused},
      {wire::ErrorCode::kMalformed, Kind::kBackOff},
      {wire::ErrorCode::kShuttingDown, Kind::kBackOff},
      {static_cast<wire::ErrorCode>(99), Kind::kBackOff}};
  for (const auto& [code, kind] : rows) {
    session->begin();
    EXPECT_EQ(say(MessageType::kError, wire::ErrorMessage{code, "x"}).kind, kind) << name(code);
    session->end();
  }
}

TEST_F(ShipperSessionTest, StreamEndWaitsForTheLastAcknowledgement) {
  greet();
  openStream("a");
  offer("a", 0);
  session->endStream(keyOf("a"));
  ASSERT_NE(session->frame(), nullptr);
  EXPECT_EQ(said(), "");
  ASSERT_TRUE(say(MessageType::kAck, wire::Ack{1, 7, {}}).ok());
  EXPECT_EQ(said(), "STREAM_END");
  EXPECT_TRUE(checkpoints.find(keyOf("a"))->ended);
  session->end();
  greet();
  EXPECT_EQ(said(), "STREAM") << "not answered: said again on the next connection";
  ASSERT_TRUE(
      say(MessageType::kStreamOk, wire::StreamOk{keyOf("a"), wire::StreamStatus::kKnown, {}}).ok());
  EXPECT_EQ(said(), "STREAM_END");
  ASSERT_TRUE(
      say(MessageType::kStreamOk, wire::StreamOk{keyOf("a"), wire::StreamStatus::kEnded, {}}).ok());
  EXPECT_EQ(checkpoints.find(keyOf("a")), nullptr);
}

TEST_F(ShipperSessionTest, AForbiddenStreamThatEndsWhileItsAnswerIsAwaitedStopsNobody) {
  greet();
  openStream("a");
  openStream("b");
  offer("a", 0);
  offer("b", 0);
  ASSERT_NE(session->frame(), nullptr);
  ASSERT_TRUE(
      say(MessageType::kStreamOk, wire::StreamOk{keyOf("b"), wire::StreamStatus::kForbidden, {}})
          .ok());
  session->end();
  greet();
  EXPECT_EQ(said(), "STREAM STREAM");
  session->endStream(keyOf("b"));
  ASSERT_TRUE(
      say(MessageType::kStreamOk, wire::StreamOk{keyOf("a"), wire::StreamStatus::kKnown, {}}).ok());
  EXPECT_NE(session->frame(), nullptr);
}

TEST_F(ShipperSessionTest, TheLedgerWinsOverAnOlderCheckpoint) {
  greet();
  events.nameStream(keyOf("a"), "a");
  session->announce(keyOf("a"), "");
  said();
  event::Resume resume;
  resume.generations.push_back({{base::hash64("a"), 0}, 0, false, 500, 1});
  ASSERT_TRUE(
      say(MessageType::kStreamOk, wire::StreamOk{keyOf("a"), wire::StreamStatus::kKnown, resume})
          .ok());
  EXPECT_EQ(checkpoints.find(keyOf("a"))->resume, resume);
  EXPECT_EQ(checkpoints.find(keyOf("a"))->queueId, 7u);
  EXPECT_EQ(events.count("stream a known to=500"), 1);
}

}  // namespace
}  // namespace logtail::agent
