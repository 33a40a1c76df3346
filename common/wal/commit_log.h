#pragma once
// Group commit: many threads append, one thread makes durable, callbacks say when.
//
// Flow: receiver -> append() -> [generation N+1 fills] -> commit thread: QueueWriter::commit() of
// generation N -> callbacks. Two generations: entries that come while one is being synced wait for
// the next, so a slow disk makes generations larger, not the queue of them longer.
// Owns the writer and the commit thread; the list must outlive it. append() and run() are for any
// thread. Callbacks run on the commit thread, in order of sequence, each exactly once, and must not
// block; with kStop nothing after it was or will be durable.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/wal/queue_writer.h"

namespace logtail::wal {

class CommitLog {
 public:
  using DurableCallback = std::function<void(const base::Status& status, uint64_t sequence)>;

  struct Options {
    size_t highWatermarkBytes = 64 * 1024 * 1024;                // of entries that wait
    base::Nanos retryInterval = std::chrono::milliseconds(200);  // when the disk has no room
    // Generations begin this far apart, or once so many bytes wait: fewer syncs for the same bytes.
    // After a large one the pause is longer, since then its sync and the wake-ups around it are
    // what costs. An entry that comes after a pause is written at once.
    base::Nanos gather = std::chrono::milliseconds(5);
    base::Nanos gatherAfterLarge = std::chrono::milliseconds(10);
    size_t largeBytes = 256 * 1024;
    size_t gatherBytes = 2 * 1024 * 1024;
  };
  struct Counts {
    QueueCounts queue;
    uint64_t waitingBytes = 0;
    uint64_t usedBytes = 0;
    bool full = false;     // no room on the disk or within the queue's size: nothing is taken in
    bool stopped = false;  // acknowledging ended for good
  };

  CommitLog(std::unique_ptr<QueueWriter> writer, SegmentList& list, Options options);
  ~CommitLog();  // stop()

  // The entry's sequence; `durable` fires later. kPushBack: over the watermark or no room, nothing
  // was taken; onRoom() tells when to come again. kStop: nothing is taken any more.
  base::Result<uint64_t> append(Entry entry, DurableCallback durable);
  // Called on the commit thread when append() takes entries again after a kPushBack.
  void setOnRoom(std::function<void()> onRoom);
  // Runs `task` on the commit thread between two commits: retention, look-ups.
  void run(std::function<void(QueueWriter&)> task);
  // Refuses new entries, makes what waits durable, writes the closing mark, ends the thread.
  void stop();

  uint64_t queueId() const { return queueId_; }
  uint32_t epoch() const { return epoch_; }
  uint64_t appendedSequence() const;  // of the newest entry taken
  Counts counts() const;

 private:
  struct Waiting {
    uint64_t sequence = 0;
    Entry entry;
    DurableCallback durable;
  };

  void loop();
  void waitForWork(std::unique_lock<std::mutex>& lock);
  void commitGeneration(std::vector<Waiting>& generation);
  void writeMark();
  void finish(const base::Status& status);

  std::unique_ptr<QueueWriter> writer_;  // commit thread only, after construction
  SegmentList& list_;
  const Options options_;
  const uint64_t queueId_;
  const uint32_t epoch_;
  const uint64_t firstSequence_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Waiting> filling_;
  std::vector<std::function<void(QueueWriter&)>> tasks_;
  std::function<void()> onRoom_;
  uint64_t nextSequence_;
  size_t waitingBytes_ = 0;
  size_t fillingBytes_ = 0;
  size_t lastBytes_ = 0;  // of the generation before
  bool idle_ = false;     // the commit thread waits for the first entry of a generation
  bool roomWanted_ = false;
  bool full_ = false;
  bool refused_ = false;
  bool stopped_ = false;
  Counts counts_;

  std::vector<std::pair<uint64_t, DurableCallback>> callbacks_;  // commit thread: not durable yet
  size_t committingBytes_ = 0;                                   // commit thread
  std::chrono::steady_clock::time_point began_{};                // of the last generation
  std::thread thread_;
};

}  // namespace logtail::wal
