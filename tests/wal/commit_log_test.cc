// Group commit: every callback once, in order, and only when its entry is durable.

#include "common/wal/commit_log.h"

#include <atomic>
#include <future>
#include <latch>

#include "tests/wal/queue_kit.h"

namespace logtail::wal {
namespace {

using base::Errc;
using base::Status;

class CommitLogTest : public QueueTest {
 protected:
  void start(CommitLog::Options options = {}) {
    open();
    log_ = std::make_unique<CommitLog>(std::move(life_->writer), life_->list, options);
  }
  // Every sync waits here until release() lets it go.
  void holdSyncs() {
    fs_->observe([this](const test::Operation& operation) {
      if (operation.kind != test::OpKind::kSyncData) return;
      std::unique_lock lock(mutex_);
      ++held_;
      changed_.notify_all();
      changed_.wait(lock, [&] { return released_; });
    });
  }
  void awaitHeld() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_ > 0; });
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  // Waits until the commit thread has done all that was appended before.
  void flush() {
    std::promise<void> done;
    const auto sequence =
        log_->append(opaque("flush"), [&](const Status&, uint64_t) { done.set_value(); });
    ASSERT_TRUE(sequence.ok()) << sequence.message();
    done.get_future().wait();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int held_ = 0;
  bool released_ = false;
  std::unique_ptr<CommitLog> log_;
};

TEST_F(CommitLogTest, CallsBackOnceInOrderFromManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  start();
  std::vector<uint64_t> fired;  // commit thread, read after stop()
  std::latch go(kThreads);
  std::vector<std::thread> threads;
  std::atomic<int> early{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      go.arrive_and_wait();
      for (int i = 0; i < kEach; ++i) {
        const auto sequence = log_->append(opaque(std::to_string(t) + "/" + std::to_string(i)),
                                           [&](const Status& status, uint64_t at) {
                                             if (!status.ok() || life_->list.durableSequence() < at)
                                               ++early;
                                             fired.push_back(at);
                                           });
        EXPECT_TRUE(sequence.ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  log_->stop();
  EXPECT_EQ(early, 0);
  ASSERT_EQ(fired.size(), static_cast<size_t>(kThreads * kEach));
  for (size_t i = 0; i < fired.size(); ++i) EXPECT_EQ(fired[i], i + 1);
  EXPECT_EQ(stored().size(), fired.size() + 1);  // and the closing mark
}

TEST_F(CommitLogTest, TakesWhatComesDuringASyncIntoTheNextGeneration) {
  start();
  flush();
  holdSyncs();
  const uint64_t before = log_->counts().queue.commits;
  ASSERT_TRUE(log_->append(opaque("first"), nullptr).ok());
  awaitHeld();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(log_->append(opaque("next"), nullptr).ok());
  release();
  log_->stop();
  EXPECT_LE(log_->counts().queue.commits, before + 4);
  EXPECT_EQ(stored().size(), 1u + 1 + 50 + 1);
}

TEST_F(CommitLogTest, WritesAnEntryAfterAPauseWithoutWaitingForCompany) {
  start({.gather = std::chrono::microseconds(1)});
  for (int i = 0; i < 5; ++i) flush();
  log_->stop();
  EXPECT_EQ(log_->counts().queue.syncs, 5u);
}

TEST_F(CommitLogTest, GathersUnderLoadUntilSoManyBytesWait) {
  // By time it would gather for longer than the test may take.
  start({.gather = std::chrono::hours(1), .gatherBytes = 5000});
  flush();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(log_->append(opaque(std::string(1000, 'x')), nullptr).ok());
  }
  while (life_->list.durableSequence() < 97) {  // the last few wait for company
    life_->list.waitAbove(life_->list.durableSequence(), std::chrono::milliseconds(10));
  }
  log_->stop();
  const QueueCounts counts = log_->counts().queue;
  EXPECT_EQ(counts.entries, 101u);
  // Five or more to a generation; one that goes over a segment's end takes two syncs.
  EXPECT_LE(counts.syncs, 1u + 20 + counts.segmentsCreated + 1);
}

TEST_F(CommitLogTest, GathersLongerAfterALargeGeneration) {
  // By time it would gather for longer than the test may take, but only after a large one.
  start({.gather = std::chrono::nanoseconds(1),
         .gatherAfterLarge = std::chrono::hours(1),
         .largeBytes = 3000,
         .gatherBytes = 5000});
  for (int i = 0; i < 5; ++i) flush();
  ASSERT_TRUE(log_->append(opaque(std::string(4000, 'x')), nullptr).ok());
  while (life_->list.durableSequence() < 6) {
    life_->list.waitAbove(life_->list.durableSequence(), std::chrono::milliseconds(10));
  }
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(log_->append(opaque(std::string(1000, 'x')), nullptr).ok());
  }
  while (life_->list.durableSequence() < 103) {  // the last few wait for company
    life_->list.waitAbove(life_->list.durableSequence(), std::chrono::milliseconds(10));
  }
  log_->stop();
  const QueueCounts counts = log_->counts().queue;
  EXPECT_EQ(counts.entries, 106u);
  EXPECT_LE(counts.syncs, 6u + 20 + counts.segmentsCreated + 1);
}

TEST_F(CommitLogTest, WritesAtOnceWhatComesLongAfterALargeGeneration) {
  start({.gather = std::chrono::hours(1),
         .gatherAfterLarge = std::chrono::nanoseconds(1),
         .largeBytes = 1});
  for (int i = 0; i < 5; ++i) flush();
  log_->stop();
  EXPECT_EQ(log_->counts().queue.syncs, 5u);
}

TEST_F(CommitLogTest, DoesNotKeepTheEndWaitingForCompany) {
  start({.gather = std::chrono::hours(1)});
  flush();
  ASSERT_TRUE(log_->append(opaque("last"), nullptr).ok());
  std::promise<void> ran;
  log_->run([&](QueueWriter&) { ran.set_value(); });
  ran.get_future().wait();
  ASSERT_TRUE(log_->append(opaque("last"), nullptr).ok());
  log_->stop();
  EXPECT_EQ(life_->list.durableSequence(), 4u);  // and the closing mark
}

TEST_F(CommitLogTest, PushesBackOverTheWatermarkAndTellsWhenThereIsRoom) {
  start({.highWatermarkBytes = 4096, .retryInterval = std::chrono::hours(1)});
  std::promise<void> room;
  log_->setOnRoom([&] { room.set_value(); });
  holdSyncs();
  ASSERT_TRUE(log_->append(opaque(std::string(3000, 'x')), nullptr).ok());
  const auto refused = log_->append(opaque(std::string(3000, 'x')), nullptr);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.code(), Errc::kPushBack);
  release();
  room.get_future().wait();
  EXPECT_TRUE(log_->append(opaque(std::string(3000, 'x')), nullptr).ok());
  log_->stop();
  EXPECT_EQ(payloads(readAll(*fs_, life_->list)).rbegin()->first, 3u);
}

TEST_F(CommitLogTest, TakesAnEntryAboveTheWatermarkWhenNothingWaits) {
  start({.highWatermarkBytes = 100, .retryInterval = std::chrono::hours(1)});
  EXPECT_TRUE(log_->append(opaque(std::string(3000, 'x')), nullptr).ok());
  log_->stop();
}

TEST_F(CommitLogTest, MakesEverythingDurableBeforeItStops) {
  start();
  std::vector<Status> answers;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        log_->append(opaque("x"), [&](const Status& s, uint64_t) { answers.push_back(s); }).ok());
  }
  log_->stop();
  ASSERT_EQ(answers.size(), 100u);
  for (const Status& answer : answers) EXPECT_TRUE(answer.ok());
  EXPECT_EQ(log_->append(opaque("late"), nullptr).code(), Errc::kStop);
  log_.reset();
  crash(0);
  EXPECT_EQ(stored().size(), 101u);
}

TEST_F(CommitLogTest, RunsTasksOnTheCommitThread) {
  start();
  flush();
  std::promise<std::pair<std::thread::id, uint64_t>> ran;
  log_->run([&](QueueWriter& queue) {
    ran.set_value({std::this_thread::get_id(), queue.nextSequence()});
  });
  const auto [thread, next] = ran.get_future().get();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(next, 2u);
}

TEST_F(CommitLogTest, WaitsForRoomWhenTheQueueIsFullAndLosesNothing) {
  options_.capacityBytes = 2 * kTestSegment;
  start({.highWatermarkBytes = 1 << 20, .retryInterval = std::chrono::hours(1)});
  std::promise<void> go;
  log_->run([&](QueueWriter&) { go.get_future().wait(); });
  std::vector<uint64_t> fired;
  for (int i = 0; i < 30; ++i) {
    const auto taken =
        log_->append(opaque(std::string(1000, 'x')), [&](const Status& s, uint64_t at) {
          EXPECT_TRUE(s.ok());
          fired.push_back(at);
        });
    ASSERT_TRUE(taken.ok());
  }
  go.set_value();
  while (!log_->counts().full) std::this_thread::yield();
  EXPECT_EQ(log_->append(opaque("more"), nullptr).code(), Errc::kPushBack);
  std::promise<void> room;
  log_->setOnRoom([&] { room.set_value(); });
  // Retention makes room; its task wakes the commit thread.
  log_->run([](QueueWriter& queue) { ASSERT_TRUE(queue.removeThrough(11).ok()); });
  room.get_future().wait();
  EXPECT_FALSE(log_->counts().full);
  log_->stop();
  ASSERT_EQ(fired.size(), 30u);
  EXPECT_EQ(stored(12).size(), 30u - 11 + 1);
}

TEST_F(CommitLogTest, AnswersWithStopWhatFoundNoRoomBeforeTheEnd) {
  options_.capacityBytes = kTestSegment;
  start();
  std::vector<Status> answers;
  for (int i = 0; i < 20; ++i) {
    const auto taken = log_->append(opaque(std::string(1000, 'x')),
                                    [&](const Status& s, uint64_t) { answers.push_back(s); });
    if (!taken.ok()) {
      EXPECT_EQ(taken.code(), Errc::kPushBack);
    }
  }
  log_->stop();
  EXPECT_GE(answers.size(), 11u);
  EXPECT_FALSE(answers.back().ok());
  EXPECT_EQ(answers.back().code(), Errc::kStop);
}

TEST_F(CommitLogTest, StopsAcknowledgingWhenTheDiskCannotBeTrusted) {
  start();
  flush();
  fs_->failWhen([](const test::Operation& operation) -> std::optional<Errc> {
    if (operation.kind != test::OpKind::kSyncData) return std::nullopt;
    return Errc::kStop;
  });
  std::promise<Status> answer;
  ASSERT_TRUE(
      log_->append(opaque("x"), [&](const Status& s, uint64_t) { answer.set_value(s); }).ok());
  EXPECT_EQ(answer.get_future().get().code(), Errc::kStop);
  log_->stop();
  EXPECT_TRUE(log_->counts().stopped);
  EXPECT_EQ(life_->list.durableSequence(), 1u);
}

TEST_F(CommitLogTest, WakesThoseWhoWaitForTheMark) {
  start();
  std::atomic<int> wakes{0};
  const uint64_t id = life_->list.subscribe([&] { ++wakes; });
  std::thread waiter([&] { EXPECT_TRUE(life_->list.waitAbove(0, std::chrono::hours(1))); });
  flush();
  waiter.join();
  EXPECT_GE(wakes, 1);
  life_->list.unsubscribe(id);
  std::thread stopped([&] { EXPECT_FALSE(life_->list.waitAbove(1000, std::chrono::hours(1))); });
  log_->stop();
  stopped.join();
}

}  // namespace
}  // namespace logtail::wal
