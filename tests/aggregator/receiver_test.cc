#include "aggregator/receiver.h"

#include <thread>

#include "tests/aggregator/receiver_fixture.h"

namespace logtail::aggregator {
namespace {

using wire::NackReason;
using wire::StreamStatus;

TEST_F(ReceiverFixture, MakesAFrameDurableAndAcknowledgesIt) {
  ScriptedAgent agent(port);
  const wire::HelloOk ok = agent.hello("n1", 7);
  EXPECT_FALSE(ok.knownNode);
  EXPECT_EQ(ok.ackedSequence, 0u);
  EXPECT_EQ(ok.queueId, log->queueId());
  EXPECT_EQ(agent.stream(a).status, StreamStatus::kNew);
  const auto made = maker.unit({a.key()}, 10);
  agent.frame(1, made.unit);
  EXPECT_EQ(agent.ack(1).queueId, log->queueId());

  const auto found = frames();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].units, made.unit);
  EXPECT_EQ(found[0].envelope.node, "n1");
  EXPECT_EQ(found[0].envelope.life, 7u);
  EXPECT_EQ(found[0].envelope.flags, wal::kEnvelopeUnproven);
  EXPECT_EQ(stateOf(a.key()).totals.content.digest, made.blocks[0].digest);
}

TEST_F(ReceiverFixture, TakesManyFramesAtOnceInTheirOrder) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  agent.stream(b);
  for (uint64_t i = 1; i <= 200; ++i) agent.frame(i, maker.unit({a.key(), b.key()}, 5).unit);
  agent.ack(200);
  const auto found = frames();
  ASSERT_EQ(found.size(), 200u);
  for (uint64_t i = 0; i < 200; ++i) EXPECT_EQ(found[i].envelope.frameSequence, i + 1);
  EXPECT_EQ(stateOf(a.key()).totals.gaps, Tally{});
  EXPECT_EQ(stateOf(a.key()).ofLife.digest, maker.sealed(a.key()).digest);
}

TEST_F(ReceiverFixture, TakesAFrameOfSeveralUnits) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  std::string units = maker.unit({a.key()}, 3).unit;
  units += maker.unit({a.key()}, 4).unit;  // each goes on where the one before ended
  agent.frame(1, units, 2);
  agent.ack(1);
  EXPECT_EQ(stateOf(a.key()).totals.content.records, 7u);
  ASSERT_EQ(frames().size(), 1u);
  EXPECT_EQ(frames()[0].envelope.verdicts.size(), 2u);
}

TEST_F(ReceiverFixture, AcknowledgesAResentFrameAndStoresItOnce) {
  const std::string unit = maker.unit({a.key()}, 3).unit;
  {
    ScriptedAgent agent(port);
    agent.hello("n1", 7);
    agent.stream(a);
    agent.frame(1, unit);
    agent.ack(1);
    agent.frame(1, unit);
    agent.ack(1);
  }
  ScriptedAgent again(port);
  EXPECT_EQ(again.hello("n1", 7).ackedSequence, 1u);
  EXPECT_EQ(again.stream(a).status, StreamStatus::kKnown);
  again.frame(1, unit);
  again.ack(1);
  EXPECT_EQ(frames().size(), 1u);
  EXPECT_EQ(stateOf(a.key()).totals.content.records, 3u);
}

TEST_F(ReceiverFixture, SendsADamagedFrameBackAndDiscardsUntilItComesAgain) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  const std::string first = maker.unit({a.key()}, 3).unit;
  const std::string second = maker.unit({a.key()}, 3).unit;
  std::string damaged = first;
  damaged.back() = static_cast<char>(damaged.back() ^ 1);
  agent.frame(1, damaged);
  agent.frame(2, second);
  const wire::Nack nack = agent.nack();
  EXPECT_EQ(nack.sequence, 1u);
  EXPECT_EQ(nack.reason, NackReason::kDamaged);
  agent.frame(1, first);
  agent.frame(2, second);
  agent.ack(2);
  EXPECT_EQ(frames().size(), 2u);
  EXPECT_EQ(stateOf(a.key()).totals.content.records, 6u);
}

TEST_F(ReceiverFixture, ForgetsAFrameThatBreaksOffInTheMiddle) {
  const std::string unit = maker.unit({a.key()}, 50).unit;
  {
    ScriptedAgent agent(port);
    agent.hello("n1", 7);
    agent.stream(a);
    const std::string bytes = ScriptedAgent::frameBytes(1, unit);
    agent.sendBytes(std::string_view(bytes).substr(0, bytes.size() / 2));
  }
  ScriptedAgent again(port);
  EXPECT_EQ(again.hello("n1", 7).ackedSequence, 0u);
  again.stream(a);
  again.frame(1, unit);
  again.ack(1);
  EXPECT_EQ(frames().size(), 1u);
}

TEST_F(ReceiverFixture, AsksForAStreamItWasNotTold) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.frame(1, maker.unit({a.key()}, 3).unit);
  EXPECT_EQ(agent.nack().reason, NackReason::kUnknownStream);
}

TEST_F(ReceiverFixture, AnswersAnOverlapWithTheResumePoint) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  const auto made = maker.unit({a.key()}, 3);
  agent.frame(1, made.unit);
  agent.ack(1);
  // A new life that cuts the same bytes otherwise.
  FrameMaker other;
  agent.frame(2, other.unit({a.key()}, 5).unit);
  const wire::Nack nack = agent.nack();
  EXPECT_EQ(nack.reason, NackReason::kOverlap);
  ASSERT_TRUE(nack.where.has_value());
  EXPECT_EQ(nack.where->key, a.key());
  EXPECT_EQ(nack.where->resume.generations[0].to, made.blocks[0].to);
  EXPECT_EQ(frames().size(), 1u);
}

TEST_F(ReceiverFixture, DropsRepeatsOfANewLifeAndCountsThemAsUnexplained) {
  const std::string unit = maker.unit({a.key()}, 3).unit;
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  agent.frame(1, unit);
  agent.ack(1);
  ScriptedAgent newer(port);
  EXPECT_EQ(newer.hello("n1", 8).ackedSequence, 0u);
  newer.stream(a);
  newer.frame(1, unit);
  newer.ack(1);
  EXPECT_EQ(frames().size(), 1u);
  EXPECT_EQ(stateOf(a.key()).totals.repeated.blocks, 1u);
}

TEST_F(ReceiverFixture, FencesTheOlderLifeOfANode) {
  ScriptedAgent older(port);
  older.hello("n1", 7);
  older.stream(a);
  const std::string first = maker.unit({a.key()}, 3).unit;
  older.frame(1, first);
  older.ack(1);
  ScriptedAgent newer(port);
  EXPECT_TRUE(newer.hello("n1", 8).knownNode);
  EXPECT_EQ(older.error().code, wire::ErrorCode::kFenced);
  EXPECT_TRUE(older.ends());
  const wire::StreamOk known = newer.stream(a);
  EXPECT_EQ(known.status, StreamStatus::kKnown);
  EXPECT_EQ(known.resume.generations.size(), 1u);
  newer.frame(1, maker.unit({a.key()}, 3).unit);
  newer.ack(1);
  EXPECT_EQ(stateOf(a.key()).totals.content.records, 6u);
  EXPECT_EQ(stateOf(a.key()).totals.repeated, Tally{});
}

TEST_F(ReceiverFixture, AnswersTheNewLifeOnlyWhenTheOldOnesFramesAreDurable) {
  // The disk takes nothing: the old life's frame is in the queue and not durable.
  ScriptedAgent older(port);
  older.hello("n1", 7);
  older.stream(a);
  while (list->durableSequence() < 1) std::this_thread::yield();  // the stream's own entry
  std::atomic<bool> full{true};
  fs->failWhen([&](const test::Operation& operation) -> std::optional<base::Errc> {
    const bool write =
        operation.kind == test::OpKind::kWrite || operation.kind == test::OpKind::kSyncData ||
        operation.kind == test::OpKind::kAllocate || operation.kind == test::OpKind::kCreate;
    if (full && write) return base::Errc::kPushBack;
    return std::nullopt;
  });
  const auto made = maker.unit({a.key()}, 3);
  older.frame(1, made.unit);
  while (log->appendedSequence() < 2) std::this_thread::yield();
  ScriptedAgent newer(port);
  newer.sayHello("n1", 8);
  EXPECT_EQ(older.error().code, wire::ErrorCode::kFenced);
  full = false;
  newer.expect(wire::MessageType::kHelloOk, wire::decodeHelloOk);
  EXPECT_EQ(newer.stream(a).resume.generations[0].to, made.blocks[0].to);
  EXPECT_EQ(frames().size(), 1u);
}

TEST_F(ReceiverFixture, KnowsAfterARestartWhatWasAcknowledged) {
  const auto made = maker.unit({a.key()}, 3);
  {
    ScriptedAgent agent(port);
    agent.hello("n1", 7);
    agent.stream(a);
    agent.frame(1, made.unit);
    agent.ack(1);
  }
  stopAll();
  fs = fs->crash(0);
  startAll();
  ScriptedAgent again(port);
  const wire::HelloOk ok = again.hello("n1", 7, 2);
  EXPECT_EQ(ok.ackedSequence, 1u);
  EXPECT_TRUE(ok.knownNode);
  EXPECT_EQ(again.stream(a).resume.generations[0].to, made.blocks[0].to);
  again.frame(2, maker.unit({a.key()}, 3).unit);
  again.ack(2);
  EXPECT_EQ(stateOf(a.key()).totals.content.records, 6u);
  EXPECT_EQ(stateOf(a.key()).totals.gaps, Tally{});
}

TEST_F(ReceiverFixture, ForbidsAnotherNodesStreamAndNamesTheBlocks) {
  ScriptedAgent honest(port);
  honest.hello("n1", 7);
  honest.stream(a);
  ScriptedAgent liar(port);
  liar.hello("n2", 9);
  EXPECT_EQ(liar.stream(a).status, StreamStatus::kForbidden);
  const event::StreamDescription own = describe("n2", "own");
  liar.stream(own);
  liar.frame(1, maker.unit({own.key(), a.key()}, 2).unit);
  const wire::Ack ack = liar.ack(1);
  ASSERT_EQ(ack.forbidden.size(), 1u);
  EXPECT_EQ(ack.forbidden[0], (wire::RefusedBlock{1, 1}));
  EXPECT_EQ(stateOf(a.key()).totals.consumedBytes, 0u);
  EXPECT_EQ(stateOf(own.key()).totals.content.records, 2u);
}

TEST_F(ReceiverFixture, ForbidsAStreamWhoseKeyIsNotItsOwn) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  wire::StreamOpen open;
  open.key = b.key();
  event::encode(a, open.description);
  agent.say(open);
  EXPECT_EQ(agent.error().code, wire::ErrorCode::kMalformed);
}

TEST_F(ReceiverFixture, EndsAStreamDurably) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  agent.frame(1, maker.unit({a.key()}, 2, true).unit);
  agent.ack(1);
  for (int i = 0; i < 2; ++i) {  // the second time it has ended already
    agent.say(wire::StreamEnd{a.key()});
    EXPECT_EQ(agent.expect(wire::MessageType::kStreamOk, wire::decodeStreamOk).status,
              StreamStatus::kEnded);
  }
  EXPECT_EQ(stateOf(a.key()).endedNanos, clock.wallNanos());
  agent.say(wire::StreamEnd{b.key()});  // unknown: the same answer
  EXPECT_EQ(agent.expect(wire::MessageType::kStreamOk, wire::decodeStreamOk).key, b.key());
}

TEST_F(ReceiverFixture, ClosesOnceAllIsDurableWhenTheAgentIsDone) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  agent.frame(1, maker.unit({a.key()}, 2).unit);
  wire::Stats stats;
  stats.final = true;
  stats.timeNanos = 99;
  stats.streams.push_back({a.key(), 10, 0, 10, 2, 3, 0});
  agent.say(stats);
  agent.halfClose();
  agent.ack(1);
  EXPECT_TRUE(agent.ends());
  EXPECT_EQ(stateOf(a.key()).agent.sealed.bytes, 10u);
  intake->withLedger([&](Ledger& l) {
    EXPECT_TRUE(l.findNode("n1")->statsFinal);
    EXPECT_EQ(l.findNode("n1")->statsNanos, 99);
  });
}

TEST_F(ReceiverFixture, EndsAConnectionWhoseHelloComesByteByByteForTooLong) {
  ScriptedAgent agent(port);
  while (metrics.connections.value() == 0) std::this_thread::yield();  // its time begins
  for (int i = 0; i < 2; ++i) {
    agent.sendBytes("\1");
    clock.advance(std::chrono::seconds(6));
  }
  EXPECT_TRUE(agent.ends());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (metrics.connections.value() > 0 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::yield();
  }
  EXPECT_EQ(metrics.connections.value(), 0);
}

TEST_F(ReceiverFixture, DrainsBeforeItStops) {
  ScriptedAgent agent(port);
  agent.hello("n1", 7);
  agent.stream(a);
  for (uint64_t i = 1; i <= 20; ++i) agent.frame(i, maker.unit({a.key()}, 2).unit);
  uint64_t told = agent.ack(1).sequence;
  std::thread stopping([this] { receiver->stop(std::chrono::seconds(20)); });
  // Everything that was taken is told before the farewell.
  bool farewell = false;
  while (!farewell && agent.next()) {
    const auto& message = agent.message();
    if (message.type == wire::MessageType::kAck) told = wire::decodeAck(message.payload)->sequence;
    farewell = message.type == wire::MessageType::kError;
  }
  EXPECT_TRUE(farewell);
  agent.breakOff();
  stopping.join();
  EXPECT_EQ(told, frames().size());
}

}  // namespace
}  // namespace logtail::aggregator
