#pragma once
// Where an output begins that never ran, or whose next entries retention took away, and what each
// stream had before that place: the output counts it as skipped, so that the audit can compare
// every output with the ledger from then on.
//
// Flow: OutputRunner (its thread) -> OutputBeginning -> ledger, queue. Owned by AggregatorApp; all
// references outlive it. Any thread.

#include <functional>
#include <unordered_map>

#include "aggregator/ledger.h"
#include "common/wal/segment_list.h"
#include "outputs/output_runner.h"

namespace logtail::aggregator {

using ContentMap = std::unordered_map<event::StreamKey, Content, event::StreamKeyHash>;

// The accepted blocks of all frames from `from` (none: the oldest entry) through entry `through`,
// counted from their headers.
// An error when the queue cannot be read.
base::Result<ContentMap> countFrames(const std::optional<wal::Position>& from, uint64_t through,
                                     base::FileSystem& fs, const wal::SegmentList& queue);

class OutputBeginning {
 public:
  using WithLedger = std::function<void(const std::function<void(Ledger&)>&)>;

  OutputBeginning(base::FileSystem& fs, const wal::SegmentList& queue, uint64_t queueId,
                  uint32_t epoch, WithLedger withLedger)
      : fs_(fs),
        queue_(queue),
        queueId_(queueId),
        epoch_(epoch),
        withLedger_(std::move(withLedger)) {}

  // kRetry when what the ledger has taken in is not durable yet. `have`: what the output has
  // counted so far.
  base::Result<outputs::Beginning> find(outputs::FirstStart from,
                                        const outputs::CountsMap& have) const;

 private:
  base::FileSystem& fs_;
  const wal::SegmentList& queue_;
  const uint64_t queueId_;
  const uint32_t epoch_;
  const WithLedger withLedger_;
};

}  // namespace logtail::aggregator
