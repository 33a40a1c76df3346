#pragma once
// How far an output came, and what it did with each stream: the unit in which cursors are stored.
// Counts and position are written in one piece, so that the audit compares like with like.

#include <array>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "common/event/stream.h"
#include "common/wal/position.h"

namespace logtail::outputs {

struct Tally {
  uint64_t records = 0;
  uint64_t bytes = 0;   // raw bytes of the records (BlockHeader::recordBytes)
  uint64_t digest = 0;  // sum mod 2^64 of the records' digests

  bool operator==(const Tally&) const = default;
  Tally& operator+=(const Tally& other) {
    records += other.records;
    bytes += other.bytes;
    digest += other.digest;
    return *this;
  }
};

// What became of a record at an output. Values are stored; append only.
enum class Fate : uint8_t {
  kDelivered = 0,     // digest summed by the output over what it wrote
  kSkipped = 1,       // drop_oldest gave it up; from the block's header
  kDeadLettered = 2,  // the destination refused it; a dead-letter file holds it
};
inline constexpr size_t kFates = 3;

struct StreamCounts {
  std::array<Tally, kFates> tallies;

  bool operator==(const StreamCounts&) const = default;
  Tally& operator[](Fate fate) { return tallies[static_cast<size_t>(fate)]; }
  const Tally& operator[](Fate fate) const { return tallies[static_cast<size_t>(fate)]; }
  StreamCounts& operator+=(const StreamCounts& other) {
    for (size_t i = 0; i < kFates; ++i) tallies[i] += other.tallies[i];
    return *this;
  }
};

using CountsMap = std::unordered_map<event::StreamKey, StreamCounts, event::StreamKeyHash>;

struct Progress {
  std::optional<wal::Position> position;  // the first record not yet done; none: never ran
  CountsMap streams;                      // since the output's first start
  StreamCounts forgotten;                 // of streams the ledger forgot
};

}  // namespace logtail::outputs
