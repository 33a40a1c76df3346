// What time asks of the aggregator: segments go when they may, and no earlier; streams are let go.
#include "aggregator/maintenance.h"

#include <future>

#include "common/base/log.h"
#include "tests/aggregator/receiver_fixture.h"
#include "tests/outputs/scripted_output.h"

namespace logtail::aggregator {
namespace {

using outputs::FullPolicy;

class MaintenanceTest : public ReceiverFixture {
 protected:
  static constexpr base::Nanos kRetain = std::chrono::hours(24);

  void SetUp() override {
    base::setLogLevel(base::LogLevel::kError);
    segmentBytes = 4 * 1024;
    capacity = 40 * segmentBytes;
    startAll();
    store_ = std::make_unique<LedgerStore>(*fs, "/data/ledger", log->queueId());
    ASSERT_TRUE(store_->load(*ledger, 1).ok());
    Maintenance::Options options;
    options.queueId = log->queueId();
    options.retain = kRetain;
    maintenance_ = std::make_unique<Maintenance>(options, *intake, *store_, *log, *list, outputs_,
                                                 *fs, *budget, clock);
  }
  void TearDown() override {
    agent_.reset();
    for (const auto& output : outputs_) output->stop();
    stopAll(std::chrono::milliseconds(1));
    maintenance_.reset();
    outputs_.clear();
  }

  outputs::ScriptedOutput& addOutput(const std::string& id, FullPolicy full, bool hold) {
    outputs::Script script;
    script.ownCursor = true;
    script.hold = hold;
    auto scripted = std::make_unique<outputs::ScriptedOutput>(script, destinations_.emplace_back(),
                                                              *fs, clock, "/data/outputs/" + id);
    outputs::ScriptedOutput& made = *scripted;
    outputs::OutputSettings settings;
    settings.full = full;
    settings.retryMin = settings.retryMax = std::chrono::milliseconds(1);
    outputs::RunnerContext context;
    context.id = id;
    context.queueId = log->queueId();
    context.files = fs.get();
    context.clock = &clock;
    context.queue = list.get();
    context.metrics = &registry;
    context.memory = &outputMemory_;
    context.begin = [this](outputs::FirstStart, const outputs::CountsMap&) {
      outputs::Beginning beginning;
      const uint64_t oldest = std::max<uint64_t>(list->oldestSequence(), 1);
      beginning.position = {log->queueId(), log->epoch(), oldest, 0, 0};
      return base::Result<outputs::Beginning>(beginning);
    };
    outputs_.push_back(
        std::make_unique<outputs::OutputRunner>(std::move(context), settings, std::move(scripted)));
    EXPECT_TRUE(outputs_.back()->start().ok());
    return made;
  }

  ScriptedAgent& agent() {
    if (!agent_) {
      agent_ = std::make_unique<ScriptedAgent>(port);
      agent_->hello("n1", 7);
      agent_->stream(a);
    }
    return *agent_;
  }
  // Frames of some 2.5 KB each, all acknowledged.
  void send(unsigned frames) {
    for (unsigned i = 0; i < frames; ++i) sendOne();
    agent().ack(sent_);
  }
  void sendOne() { agent().frame(++sent_, maker.unit({a.key()}, 300).unit); }
  // Until the queue takes nothing any more.
  void fill() {
    while (!log->counts().full) {
      if (sent_ < 1000) sendOne();
      std::this_thread::yield();
    }
  }
  void drain() {
    if (!log->counts().full) {
      list->waitAbove(log->appendedSequence() - 1, std::chrono::seconds(20));
    }
    const auto deadline = clock.steady() + std::chrono::seconds(20);
    for (const auto& output : outputs_) ASSERT_TRUE(output->drain(deadline)) << output->id();
  }
  // One round, and what it put to the commit thread.
  void round() {
    maintenance_->round();
    std::promise<void> done;
    log->run([&](wal::QueueWriter&) { done.set_value(); });
    done.get_future().wait();
  }
  bool knows(const event::StreamKey& key) { return stateOf(key).key == key; }

  std::unique_ptr<LedgerStore> store_;
  base::MemoryBudget outputMemory_{uint64_t{1} << 32};
  std::deque<outputs::Destination> destinations_;
  Maintenance::Outputs outputs_;
  std::unique_ptr<Maintenance> maintenance_;
  std::unique_ptr<ScriptedAgent> agent_;
  uint64_t sent_ = 0;
};

TEST_F(MaintenanceTest, KeepsSegmentsUntilTheyAreOld) {
  addOutput("out", FullPolicy::kBlock, false);
  send(25);
  drain();
  ASSERT_GE(list->size(), 3u);
  clock.advance(kRetain - std::chrono::minutes(1));
  round();
  EXPECT_EQ(list->oldestSequence(), 1u);
  clock.advance(std::chrono::minutes(2));
  round();
  EXPECT_EQ(list->size(), 1u);  // the newest stays
}

TEST_F(MaintenanceTest, KeepsWhatAnOutputHasNotPassed) {
  auto& slow = addOutput("slow", FullPolicy::kDropOldest, true);
  addOutput("fast", FullPolicy::kBlock, false);
  send(25);
  clock.advance(2 * kRetain);
  round();
  round();
  round();
  EXPECT_EQ(list->oldestSequence(), 1u);
  slow.release();
  drain();
  round();
  EXPECT_EQ(list->size(), 1u);
}

TEST_F(MaintenanceTest, KeepsWhatNoSnapshotCovers) {
  addOutput("out", FullPolicy::kBlock, false);
  send(25);
  drain();
  clock.advance(2 * kRetain);
  fs->failWhen([](const test::Operation& operation) -> std::optional<base::Errc> {
    if (!operation.path.starts_with("/data/ledger/")) return std::nullopt;
    return base::Errc::kPushBack;
  });
  EXPECT_FALSE(maintenance_->saveSnapshot());
  round();
  EXPECT_EQ(list->oldestSequence(), 1u);
  fs->failWhen(nullptr);
  clock.advance(std::chrono::minutes(1));
  round();
  EXPECT_EQ(list->size(), 1u);
}

TEST_F(MaintenanceTest, MakesRoomWhenTheQueueIsFullBeforeAnySnapshot) {
  addOutput("out", FullPolicy::kBlock, false);
  fill();
  drain();
  round();
  EXPECT_GT(list->oldestSequence(), 1u);
}

TEST_F(MaintenanceTest, MakesRoomWhenTheQueueIsFullBehindAnOldSnapshot) {
  addOutput("out", FullPolicy::kBlock, false);
  send(1);
  ASSERT_TRUE(maintenance_->saveSnapshot());
  fill();
  drain();
  round();
  EXPECT_GT(list->oldestSequence(), 1u);
  // What the snapshot says is what a start finds behind it.
  base::MemoryBudget memory(64 << 20);
  Ledger found({}, memory);
  LedgerStore store(*fs, "/data/ledger", log->queueId());
  const auto loaded = store.load(found, list->oldestSequence());
  ASSERT_TRUE(loaded.ok());
  EXPECT_GE(loaded->sequence + 1, list->oldestSequence());
  EXPECT_LE(loaded->sequence, list->durableSequence());
}

TEST_F(MaintenanceTest, DoesNotWaitForAStuckOutputThatMayDropWhenTheQueueIsFull) {
  auto& stuck = addOutput("stuck", FullPolicy::kDropOldest, true);
  addOutput("fast", FullPolicy::kBlock, false);
  fill();
  ASSERT_TRUE(outputs_[1]->drain(clock.steady() + std::chrono::seconds(20)));
  round();
  EXPECT_EQ(list->oldestSequence(), 1u);
  round();
  EXPECT_GT(list->oldestSequence(), 1u);
  stuck.release();
}

TEST_F(MaintenanceTest, WaitsForAStuckOutputThatBlocksWhenTheQueueIsFull) {
  auto& stuck = addOutput("stuck", FullPolicy::kBlock, true);
  fill();
  for (int i = 0; i < 4; ++i) round();
  EXPECT_EQ(list->oldestSequence(), 1u);
  EXPECT_TRUE(log->counts().full);
  stuck.release();
  drain();
  round();
  EXPECT_GT(list->oldestSequence(), 1u);
}

TEST_F(MaintenanceTest, ForgetsAnEndedStreamAtTheOutputOnceTheLedgersForgettingIsDurable) {
  addOutput("out", FullPolicy::kBlock, false);
  send(2);
  agent().say(wire::StreamEnd{a.key()});
  agent().expect(wire::MessageType::kStreamOk, wire::decodeStreamOk);
  drain();
  round();
  EXPECT_TRUE(knows(a.key()));
  clock.advance(kRetain + std::chrono::minutes(1));
  fs->failWhen([](const test::Operation& operation) -> std::optional<base::Errc> {
    if (!operation.path.starts_with("/data/ledger/")) return std::nullopt;
    return base::Errc::kPushBack;
  });
  round();
  EXPECT_FALSE(knows(a.key()));
  EXPECT_EQ(outputs_[0]->progress().streams.count(a.key()), 1u);
  fs->failWhen(nullptr);
  clock.advance(std::chrono::minutes(1));
  round();
  agent().stream(b);
  drain();
  EXPECT_EQ(outputs_[0]->progress().streams.count(a.key()), 0u);
  EXPECT_EQ(outputs_[0]->progress().forgotten[outputs::Fate::kDelivered].records, 600u);
}

TEST_F(MaintenanceTest, ForgetsNothingAtAnOutputThatIsBehind) {
  auto& slow = addOutput("slow", FullPolicy::kBlock, true);
  send(2);
  agent().say(wire::StreamEnd{a.key()});
  agent().expect(wire::MessageType::kStreamOk, wire::decodeStreamOk);
  slow.awaitTaken(2);
  clock.advance(kRetain + std::chrono::minutes(1));
  round();
  EXPECT_FALSE(knows(a.key()));
  EXPECT_TRUE(slow.forgotten().empty());
  slow.release();
  drain();
  EXPECT_EQ(outputs_[0]->progress().streams.at(a.key())[outputs::Fate::kDelivered].records, 600u);
  agent().stream(b);  // a snapshot is of something new
  drain();
  clock.advance(std::chrono::minutes(1));
  round();
  agent().say(wire::StreamEnd{b.key()});
  agent().expect(wire::MessageType::kStreamOk, wire::decodeStreamOk);
  drain();
  EXPECT_EQ(outputs_[0]->progress().streams.count(a.key()), 0u);
}

}  // namespace
}  // namespace logtail::aggregator
