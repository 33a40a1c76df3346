#pragma once
// What time asks of the aggregator: ledger snapshots, retention of the queue, letting ended streams
// go. One thread of its own, once a second.
//
// Owned by AggregatorApp, which starts it last and stops it before its parts, all of which outlive
// it. Failure: a snapshot
// or a removal that fails is logged and tried again; nothing is removed that a snapshot does not
// cover. Retention: a segment goes when it is old enough, or room is needed, and every output has
// passed it; `drop_oldest` outputs are told to move on when the queue is full, and if they did not
// within a round they are not waited for (invariant 5): they count what is gone when they come
// back.

#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "aggregator/intake.h"
#include "aggregator/ledger_store.h"
#include "common/wal/commit_log.h"
#include "outputs/output_runner.h"

namespace logtail::aggregator {

class Maintenance {
 public:
  struct Options {
    uint64_t queueId = 0;
    base::Nanos snapshotInterval = std::chrono::seconds(10);
    base::Nanos retain = std::chrono::hours(24);
  };
  using Outputs = std::vector<std::unique_ptr<outputs::OutputRunner>>;

  Maintenance(Options options, Intake& intake, LedgerStore& store, wal::CommitLog& log,
              wal::SegmentList& segments, const Outputs& outputs, base::FileSystem& fs,
              base::MemoryBudget& budget, base::Clock& clock);
  ~Maintenance();  // stops

  void start();
  void stop();
  // One round, now; the thread's, or a test's without one.
  void round();
  // The ledger as of its newest entry, once that entry is durable. False when it was not written.
  bool saveSnapshot();

 private:
  void run();
  bool saveSnapshotOfDurable();
  void applyRetention();
  uint64_t slowestCursor(bool all) const;
  void forgetAtOutputs(uint64_t sequence, const std::vector<std::vector<event::StreamKey>>& keys);

  const Options options_;
  Intake& intake_;
  LedgerStore& store_;
  wal::CommitLog& log_;
  wal::SegmentList& segments_;
  const Outputs& outputs_;
  base::FileSystem& fs_;
  base::MemoryBudget& budget_;  // of ledgers
  base::Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
  base::Nanos nextSnapshot_{};
  unsigned fullRounds_ = 0;  // one after another
};

}  // namespace logtail::aggregator
