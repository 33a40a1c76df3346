#pragma once
// The worker's unit, and handing it on: filled by StreamTailers, sealed when it is full or nothing
// more is there, offered to the sink until that takes it.
//
// Flow: StreamTailer -> writer() -> seal() -> UnitSink. Owned by a TailWorker; sink, budget and
// counts must outlive it. Thread: the worker's. While blocked() nothing may be added: the sink is
// full or the budget is; unblock() tries again.

#include <optional>
#include <string>

#include "agent/tail_worker_counts.h"
#include "agent/unit_sink.h"
#include "common/event/unit_writer.h"

namespace logtail::agent {

class UnitHandover {
 public:
  UnitHandover(int compressionLevel, UnitSink& sink, base::MemoryBudget& budget,
               TailWorkerCounts& counts);

  event::UnitWriter& writer() { return writer_; }
  bool blocked() const { return blocked_; }
  // Blocked for want of memory: nobody will say when there is some, so try again after a while.
  bool wantsMemory() const { return blocked_ && !pending_; }

  // Seals what the writer holds and offers it. False when the way is blocked.
  bool seal();
  // True when the way is free (again).
  bool unblock();
  // A new life: what was not handed on is dropped.
  void discard();

 private:
  bool sealOnce();
  bool offer();
  void count(const event::BlockHeader& block);

  UnitSink& sink_;
  base::MemoryBudget& budget_;
  TailWorkerCounts& counts_;
  event::UnitWriter writer_;
  std::optional<SealedUnit> pending_;  // refused by the sink
  bool blocked_ = false;
};

}  // namespace logtail::agent
