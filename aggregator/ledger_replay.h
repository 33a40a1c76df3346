#pragma once
// Applies the queue's entries to the ledger: at start those behind the snapshot, in tests all.
//
// Flow: QueueReader -> LedgerReplay -> Ledger. Lives for one pass; the ledger must outlive it.
// Thread: whoever holds the ledger. A malformed entry is counted and left out: its CRC was right,
// so an older or newer program wrote it so, and what follows does not depend on it.

#include <cstdint>
#include <vector>

#include "aggregator/ledger.h"
#include "common/event/unit.h"
#include "common/wal/entry.h"

namespace logtail::aggregator {

// The headers of all blocks of a frame's units, in order; kQuarantine when they do not parse.
base::Status readBlocks(std::string_view units, std::vector<event::BlockHeader>& blocks);

class LedgerReplay {
 public:
  explicit LedgerReplay(Ledger& ledger) : ledger_(ledger) {}
  void apply(const wal::EntryView& entry);

  uint64_t entries() const { return entries_; }
  uint64_t malformed() const { return malformed_; }

 private:
  base::Status applyFrame(uint64_t sequence, std::string_view payload);
  base::Status applyStream(const wal::EntryHeader& header, std::string_view payload);
  base::Status applyRest(const wal::EntryView& entry);

  Ledger& ledger_;
  std::vector<event::BlockHeader> blocks_;
  uint64_t entries_ = 0;
  uint64_t malformed_ = 0;
};

}  // namespace logtail::aggregator
