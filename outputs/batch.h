#pragma once
// What an output is handed: decoded blocks of consecutive queue entries.
//
// Flow: BatchReader (fills it from the queue) -> OutputRunner -> Output. Shared and never changed
// once handed out; goes back to its pool when the last holder lets go. Records are views that live
// as long as the batch.

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/event/record.h"
#include "common/event/stream.h"
#include "outputs/progress.h"

namespace logtail::outputs {

struct Block {
  std::shared_ptr<const event::StreamDescription> stream;
  event::BlockHeader header;
  std::span<const event::Record> records;
};

class Batch {
 public:
  Batch() = default;
  virtual ~Batch() = default;
  Batch(const Batch&) = delete;
  Batch& operator=(const Batch&) = delete;

  wal::Position before;
  wal::Position after;        // where the next batch begins; what a cursor holds once this is done
  std::vector<Block> blocks;  // may be empty: then only the cursor moves
  uint64_t rawBytes = 0;      // of decoded bodies
  // Given up before it was decoded (full: drop_oldest); the output stores the counts with `after`.
  std::vector<std::pair<event::StreamKey, Tally>> skipped;
};
using BatchPtr = std::shared_ptr<const Batch>;

}  // namespace logtail::outputs
