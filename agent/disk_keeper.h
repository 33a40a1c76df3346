#pragma once
// Keeps on disk what rotation is about to delete, within the disk's budget (invariant 3).
//
// Flow, once a second: StreamTailers say what they hold -> Spool takes a copy of each generation
// that is at risk -> DiskBudget says what is too much -> the tailer goes on in the copy, or
// declares the bytes lost. What nobody needs any more goes. At risk is a generation at its final
// end that is not acknowledged to there and is among the two oldest files of its directory, or
// deleted, or of a container that is gone. It waits `patience` first, unless rotation has deleted
// the file or will before that: with a healthy aggregator the acknowledgement is faster, and
// nothing is ever copied. Owned by a TailWorker; file system, budget and counts must outlive it.
// Thread: the worker's, but for the copying: one copy at a time runs on a thread of libuv's pool
// with a descriptor of its own, for it writes and syncs as many megabytes as a log file has, and
// reading must not wait for that. Failure: a copy that fails is counted and tried again; the held
// descriptor is still there.

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/disk_budget.h"
#include "agent/spool.h"
#include "agent/stream_registry.h"
#include "agent/tail_worker_counts.h"

struct uv_loop_s;

namespace logtail::agent {

struct DiskOptions {
  std::string spoolDirectory;  // STATE/spool; empty: no copies are made
  DiskLimits limits;
  base::Nanos patience = std::chrono::seconds(2);  // none for a file that goes before it is over
  base::Nanos interval = std::chrono::seconds(1);
  base::FileSystem* files = &base::posixFileSystem();
};

class DiskKeeper {
 public:
  // `copied` is called on the worker's thread when a copy is done: time to look again.
  DiskKeeper(DiskOptions options, const std::string& logRoot, Spool::Share share,
             base::MemoryBudget& budget, TailWorkerCounts& counts, std::function<void()> copied);
  ~DiskKeeper();

  // Before the worker's thread runs. kTooNew when a copy is of a newer version.
  base::Status load();
  // The streams that have copies, each once.
  std::vector<event::StreamDescription> streams() const;
  std::vector<SpooledCopy> copiesOf(const event::StreamKey& stream);

  // One look at everything. Tailers that got something to do are enqueued in `dirty`.
  void look(uv_loop_s* loop, StreamRegistry& streams, TailContext& context,
            std::vector<FollowedStream*>& dirty);
  // The agent stops and something is not acknowledged: copies at once, on this thread, what is
  // deleted, and what is at risk without waiting for patience.
  void keepAll(StreamRegistry& streams, TailContext& context);
  // A stream is over: all of it is acknowledged.
  void forget(const event::StreamKey& stream);

 private:
  struct Job;
  using Held = StreamTailer::Held;

  void removeUnneeded(StreamRegistry& streams);
  void noteRotation(StreamRegistry& streams, int64_t wallNanos);
  void useCopies(std::vector<Held>& held);
  void startCopy(uv_loop_s* loop, std::vector<Held> held, base::Nanos now);
  void startJob(uv_loop_s* loop, const Held& held, SpoolHeader header);
  bool mayCopy(const Held& held);
  SpoolHeader headerOf(const Held& held) const;
  void finished(Job& job);
  void noteCopied(const base::Status& status);
  void giveUp(const std::vector<Held>& held, StreamRegistry& streams, TailContext& context,
              std::vector<FollowedStream*>& dirty);
  void giveUpCopyOf(const SpooledGeneration& copy, StreamRegistry& streams, TailContext& context,
                    std::vector<FollowedStream*>& dirty);

  const DiskOptions options_;
  base::MemoryBudget& budget_;
  TailWorkerCounts& counts_;
  const std::function<void()> copied_;
  Spool spool_;
  DiskBudget disk_;
  std::unique_ptr<Job> job_;  // the copy under way
  // At risk, but all of their bytes are acknowledged: only their end is not, which needs no copy.
  std::set<Spool::Key> nothingBehind_;
  uint64_t heldBytes_ = 0;  // deleted but open, as of the last look
};

}  // namespace logtail::agent
