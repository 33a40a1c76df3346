#pragma once
// Reads the queue from a position on, in order, never above the durable mark: one an output or
// viewer.
//
// Flow: SegmentList (how far) -> QueueReader -> output runner, tail hub, ledger replay.
// Owned by its consumer, one thread at a time; file system and list must outlive it. Damaged
// entries are stepped over and counted; segments that retention took away are skipped and counted.

#include <cstdint>
#include <memory>

#include "common/base/file_system.h"
#include "common/wal/position.h"
#include "common/wal/segment_index.h"
#include "common/wal/segment_list.h"

namespace logtail::wal {

struct ReaderCounts {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t damagedBytes = 0;
  uint64_t lostEntries = 0;     // damaged, below the durable mark
  uint64_t skippedEntries = 0;  // gone by retention before they were read
};

class QueueReader {
 public:
  enum class Next : uint8_t { kEntry, kWait };

  // Begins at the first entry whose sequence is >= `sequence` (1: the oldest there is). The stream
  // entries that stand before it in its segment come first: what follows may refer to them.
  QueueReader(base::FileSystem& fs, const SegmentList& list, uint64_t sequence);
  ~QueueReader();

  // kEntry: entry() and offset() hold it until the next call. kWait: nothing durable follows now;
  // wait on the list. Errors are I/O errors, and kTooNew for a critical entry of a kind unknown
  // here; the next call tries again. Unknown kinds that are not critical are passed over.
  base::Result<Next> next();
  const EntryView& entry() const;

  uint64_t nextSequence() const { return expected_; }
  uint64_t segment() const { return info_.header.segment; }  // number, of the entry's segment
  // Goes on there; what retention took from there on is counted, the first entry included.
  void seek(uint64_t sequence);
  const ReaderCounts& counts() const { return counts_; }

  // The sequence from which to read to see everything received at or after `wallNanos`, from the
  // segments' indexes; the oldest one when nothing is known.
  static uint64_t sequenceAt(base::FileSystem& fs, const SegmentList& list, int64_t wallNanos);

 private:
  base::Result<bool> openSegment();
  bool advance();
  void skip(const EntryHeader& header);
  base::Error refuse(const EntryHeader& header);
  static bool lastPlaceBefore(base::FileSystem& fs, const SegmentInfo& info, int64_t wallNanos,
                              uint64_t& sequence);

  base::FileSystem& fs_;
  const SegmentList& list_;
  uint64_t expected_;
  bool exact_ = false;  // expected_ is what the consumer wants, not the oldest there is
  SegmentInfo info_;
  std::unique_ptr<base::File> file_;
  std::unique_ptr<SegmentWalker> walker_;
  ReaderCounts counts_;
};

}  // namespace logtail::wal
