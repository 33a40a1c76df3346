// One output's life: exactly once while it lives, from its cursor after every crash, counted when
// it is given up.
#include "outputs/output_runner.h"

#include "common/base/checksum.h"
#include "tests/outputs/runner_rig.h"

namespace logtail::outputs {
namespace {

using wal::Position;

TEST_P(RunnerTest, DeliversEveryLineOnceWhateverTheOrder) {
  script.newestFirst = true;
  start();
  for (int i = 0; i < 60; ++i) queue->putFrame({0, 1}, 3);
  EXPECT_TRUE(drained());
  EXPECT_EQ(destination->copies(), onceEach());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
  EXPECT_EQ(runner->delivered(), 60u);
  EXPECT_EQ(counter("retries"), 0u);
}

TEST_P(RunnerTest, DeliversWhatComesWhileItWaits) {
  start();
  for (int i = 0; i < 5; ++i) {
    queue->putFrame({0}, 2);
    EXPECT_TRUE(drained());
    EXPECT_EQ(runner->delivered(), static_cast<uint64_t>(i) + 1);
  }
  EXPECT_EQ(destination->copies(), onceEach());
}

TEST_P(RunnerTest, PassesEntriesThatHoldNoFrame) {
  start();
  queue->putFrame({0}, 2);
  queue->putOther();
  queue->putOther();
  EXPECT_TRUE(drained());
  EXPECT_EQ(runner->delivered(), 3u);
}

TEST_P(RunnerTest, DrainsToTheDurableMarkOrSaysThatSomethingIsLeft) {
  script.hold = true;
  queue->putFrame({0}, 2);
  start();
  output->awaitTaken(2);
  EXPECT_FALSE(runner->drain(clock.steady()));
  EXPECT_EQ(runner->delivered(), 0u);
  output->release();
  EXPECT_TRUE(drained());
}

TEST_P(RunnerTest, LetsGoOfDeliveriesThatAreOutWhenItStops) {
  script.hold = true;
  for (int i = 0; i < 20; ++i) queue->putFrame({0}, 2);
  start();
  output->awaitTaken(4);
  runner->stop();
  EXPECT_EQ(runner->delivered(), 0u);
  EXPECT_TRUE(destination->copies().empty());
  script.hold = false;
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(destination->copies(), onceEach());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
}

TEST_P(RunnerTest, HoldsNoMoreBatchesThanItMay) {
  script.hold = true;
  for (int i = 0; i < 20; ++i) queue->putFrame({0}, 2);
  start();
  output->awaitTaken(5);  // the first holds nothing but where it begins
  EXPECT_EQ(output->taken(), 5u);
  output->release();
  EXPECT_TRUE(drained());
  EXPECT_EQ(destination->copies(), onceEach());
}

TEST_P(RunnerTest, BacksOffWhenAStartFailsAndRecovers) {
  script.failStarts = 3;
  start();
  queue->putFrame({0}, 2);
  EXPECT_TRUE(drained());
  EXPECT_EQ(output->starts(), 4u);
  EXPECT_EQ(counter("retries"), 3u);
  EXPECT_EQ(runner->problem(), std::nullopt);
  EXPECT_EQ(destination->copies(), onceEach());
}

TEST_P(RunnerTest, TellsWhyItDoesNotDeliver) {
  script.failStarts = 1;
  settings.retryMin = settings.retryMax = std::chrono::hours(1);
  start();
  queue->putFrame({0}, 2);
  awaitProblem();
  EXPECT_EQ(runner->problem(), "scripted failure");
  EXPECT_FALSE(runner->drain(clock.steady()));
  runner->stop();  // at once, whatever the back-off
}

TEST_P(RunnerTest, ReadsAgainWhatWasNotDeliveredAndCountsItOnce) {
  script.retries = {2, 7, 8};
  start();
  for (int i = 0; i < 30; ++i) queue->putFrame({0, 2}, 3);
  EXPECT_TRUE(drained());
  EXPECT_GE(counter("retries"), 2u);
  const auto copies = destination->copies();
  EXPECT_EQ(copies.size(), queue->lines);
  if (script.ownCursor) {
    EXPECT_EQ(copies, onceEach());
  }
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
}

TEST_P(RunnerTest, EndsAtStateOfANewerVersionAndTouchesNothing) {
  script.failStarts = 1000;
  script.failWith = base::Errc::kTooNew;
  queue->putFrame({0}, 2);
  start();
  awaitProblem();
  EXPECT_FALSE(runner->drain(clock.steady()));
  runner->stop();
  EXPECT_EQ(output->starts(), 1u);
  EXPECT_FALSE(queue->fs->info(kDirectory).ok());
}

TEST_P(RunnerTest, GivesUpTheOldestWhenRoomIsNeededAndCountsIt) {
  settings.full = FullPolicy::kDropOldest;
  for (int i = 0; i < 30; ++i) queue->putFrame({0, 1}, 2);
  makeRoomFirst = 20;
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(fates(Fate::kSkipped), queue->before(21));
  EXPECT_EQ(fates(Fate::kDelivered), queue->before(31) - queue->before(21));
  EXPECT_EQ(destination->copies().size(), 40u);
  EXPECT_EQ(counter("skipped_records"), 80u);
}

TEST_P(RunnerTest, GivesNothingUpWhenItBlocks) {
  for (int i = 0; i < 30; ++i) queue->putFrame({0, 1}, 2);
  makeRoomFirst = 20;
  start();
  EXPECT_TRUE(runner->blocks());
  EXPECT_TRUE(drained());
  EXPECT_EQ(destination->copies(), onceEach());
}

TEST_P(RunnerTest, CountsWhatRetentionTookWhileItWasSlow) {
  script.hold = true;
  for (int i = 0; i < 100; ++i) queue->putFrame({0, 1}, 4);
  start();
  output->awaitTaken(5);
  queue->removeThrough(80);
  const uint64_t oldest = queue->list->oldestSequence();
  ASSERT_GT(oldest, 10u);
  output->release();
  EXPECT_TRUE(drained());
  EXPECT_GE(begins(), 2u);
  EXPECT_EQ(total(), queue->all());
  EXPECT_EQ(fates(Fate::kSkipped), queue->before(oldest) - queue->before(5));
}

TEST_P(RunnerTest, CountsWhatRetentionTookBeforeItReadAnything) {
  for (int i = 0; i < 100; ++i) queue->putFrame({0, 1}, 4);
  afterBegin = [this](unsigned times) {
    if (times == 1) queue->removeThrough(80);
  };
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(total(), queue->all());
}

TEST_P(RunnerTest, CountsWhatRetentionTookWhileItDidNotRun) {
  for (int i = 0; i < 10; ++i) queue->putFrame({0, 1}, 4);
  start();
  EXPECT_TRUE(drained());
  runner->stop();
  for (int i = 0; i < 90; ++i) queue->putFrame({0, 1}, 4);
  queue->removeThrough(80);
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(total(), queue->all());
  EXPECT_EQ(fates(Fate::kSkipped),
            queue->before(queue->list->oldestSequence()) - queue->before(11));
}

TEST_P(RunnerTest, ForgetsStreamsAndKeepsTheirSum) {
  start();
  queue->putFrame({0, 1}, 2);
  EXPECT_TRUE(drained());
  runner->forget({queue->key(0)});
  queue->putFrame({1}, 1);
  EXPECT_TRUE(drained());
  const Progress progress = runner->progress();
  EXPECT_EQ(progress.streams.size(), 1u);
  EXPECT_EQ(progress.forgotten[Fate::kDelivered].records, 2u);
  EXPECT_EQ(progress.streams.at(queue->key(1))[Fate::kDelivered].records, 3u);
}

TEST_P(RunnerTest, BeginsWhereItsConfigurationSaysTheFirstTimeOnly) {
  settings.from = FirstStart::kNewest;
  for (int i = 0; i < 10; ++i) queue->putFrame({0}, 2);
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(fates(Fate::kSkipped), queue->all());
  runner->stop();
  queue->putFrame({0}, 2);
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(begins(), 1u);
  EXPECT_EQ(destination->copies().size(), 2u);
  EXPECT_EQ(total(), queue->all());
}

TEST_P(RunnerTest, TakesUpAFrameWhereItLeftIt) {
  limits.units = 1;
  script.retries = {6};
  std::vector<aggregator::FrameMaker::Made> units;
  for (int i = 0; i < 12; ++i) units.push_back(queue->unit({0, 1}, 2));
  queue->putUnits(units);
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
  EXPECT_EQ(destination->copies().size(), queue->lines);
}

// The machine stops after operation 0, 1, 2 … of a life; the next one goes on from its cursor.
TEST_P(RunnerTest, LosesNothingWhateverItsMachineStopsAt) {
  bool through = false;
  for (uint64_t n = 0; !through && !HasFailure(); ++n) {
    for (const uint64_t seed : {0, 1, 2 + static_cast<int>(n)}) {
      SCOPED_TRACE("operation " + std::to_string(n) + ", seed " + std::to_string(seed));
      reset();
      for (int i = 0; i < 12; ++i) queue->putFrame({0, 1}, 2);
      queue->fs->crashAfterOperation(n);
      start();
      through = crashedOrDrained();
      end();
      const auto before = destination->copies();
      for (const auto& [line, copies] : before) EXPECT_EQ(copies, 1u) << line;
      queue->crash(seed);
      start();
      EXPECT_TRUE(drained());
      const auto copies = destination->copies();
      EXPECT_EQ(copies.size(), queue->lines);
      if (script.ownCursor) {
        EXPECT_EQ(copies, onceEach());
      }
      EXPECT_EQ(fates(Fate::kDelivered), queue->all());
      if (HasFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, RunnerTest, testing::Bool(), cursorName);

class OwnCursorTest : public RunnerFixture {};

TEST_F(OwnCursorTest, NeverPassesABatchThatIsNotDelivered) {
  script.hold = true;
  for (int i = 0; i < 20; ++i) queue->putFrame({0}, 2);
  start();
  output->awaitTaken(5);
  for (int i = 0; i < 4; ++i) output->releaseNewest();
  destination->awaitLines(8);
  runner->stop();
  EXPECT_EQ(runner->delivered(), 0u);
  EXPECT_EQ(fates(Fate::kDelivered), StreamTallies{});
}

TEST_F(OwnCursorTest, OfANewerVersionEndsItUntouched) {
  ASSERT_TRUE(queue->fs->createDirectories(kDirectory).ok());
  std::string bytes = encodeManifestHeader(1);
  bytes[8] = 99;
  const uint32_t crc = base::crc32c(std::string_view(bytes).substr(0, bytes.size() - 4));
  std::string sealed = bytes.substr(0, bytes.size() - 4);
  base::putFixed(sealed, crc);
  const std::string path = std::string(kDirectory) + "/manifest.0000000000000001";
  ASSERT_TRUE(base::writeFileAtomically(*queue->fs, path, sealed).ok());
  start();
  awaitProblem();
  EXPECT_NE(runner->problem()->find("version"), std::string::npos) << *runner->problem();
  runner->stop();
  EXPECT_EQ(output->starts(), 1u);
  EXPECT_EQ(queue->fs->list(kDirectory)->size(), 1u);
  EXPECT_EQ(*base::readFile(*queue->fs, path, 1 << 20), sealed);
}

TEST_F(OwnCursorTest, OfAnotherQueueBeginsAtTheOldestEntry) {
  settings.from = FirstStart::kNewest;
  Manifest manifest(*queue->fs, kDirectory);
  ASSERT_TRUE(queue->fs->createDirectories(kDirectory).ok());
  ManifestState state;
  state.progress.position = Position{queue->report.queueId + 1, 9, 1000, 3, 0};
  state.progress.streams[queue->key(0)][Fate::kDelivered] = {5, 5, 5};
  ASSERT_TRUE(manifest.begin(state).ok());
  for (int i = 0; i < 10; ++i) queue->putFrame({0}, 2);
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(destination->copies(), onceEach());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
}

TEST_F(OwnCursorTest, IsTriedAgainWhenItCannotBeStored) {
  queue->putFrame({0}, 2);
  queue->fs->failNth(test::OpKind::kSyncData, 2, base::Errc::kStop);
  start();
  EXPECT_TRUE(drained());
  EXPECT_EQ(fates(Fate::kDelivered), queue->all());
}

TEST_F(OwnCursorTest, AsksForItsMemoryBeforeItStarts) {
  memory = std::make_unique<base::MemoryBudget>(1024);
  make();
  EXPECT_EQ(runner->start().code(), base::Errc::kPushBack);
  EXPECT_EQ(output->starts(), 0u);
  runner->stop();
}

}  // namespace
}  // namespace logtail::outputs
