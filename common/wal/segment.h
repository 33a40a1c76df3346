#pragma once
// One segment file: its header, and the walk over its entries that steps over damage.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/wal/entry.h"

namespace logtail::wal {

inline constexpr uint64_t kSegmentHeaderBytes = 4096;
inline constexpr uint64_t kSegmentHeaderCopy = 2048;  // where the header stands a second time
inline constexpr uint32_t kSegmentVersion = 1;

struct SegmentHeader {
  uint64_t queueId = 0;
  uint64_t segment = 0;  // number; rises by one, never used again
  uint32_t epoch = 0;
  uint32_t salt = 0;  // seeds every CRC in it
  uint64_t firstSequence = 0;
  uint64_t previousSegment = 0;  // 0: none
  uint64_t previousDurable = 0;  // bytes of it that may be read
  int64_t createdNanos = 0;
  bool operator==(const SegmentHeader&) const = default;
};

std::string encodeSegmentHeader(const SegmentHeader& header);  // kSegmentHeaderBytes
// From either copy. kTooNew for a newer version, kQuarantine when neither checks.
base::Result<SegmentHeader> readSegmentHeader(base::File& file, const std::string& path);

std::string segmentName(uint64_t number);  // "<16 hex>.seg"

// A run of bytes that holds no readable entry though one should be there.
struct Damage {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t afterSequence = 0;   // the highest one that is whole before it
  uint64_t beforeSequence = 0;  // of the one behind it; 0: none
  // Entries that went with it: those between its neighbours.
  uint64_t lostEntries() const {
    return beforeSequence > afterSequence + 1 ? beforeSequence - afterSequence - 1 : 0;
  }
};

// Walks a segment's entries from an offset. Reads ahead in large steps; `file` must outlive it.
// Failure: unreadable bytes are damage, never an error; I/O errors of the file are.
class SegmentWalker {
 public:
  enum class Found : uint8_t { kEntry, kDamage, kEnd };

  // Walks [offset, end) of the file.
  SegmentWalker(base::File& file, const SegmentHeader& header, uint64_t offset, uint64_t end);

  // kEntry: entry() holds it until the next call. kDamage: damage() does; the walk goes on behind
  // it. kEnd: nothing readable follows; damage() then holds what is left, with bytes 0 when it is
  // clean (a zero where an entry would begin).
  base::Result<Found> next();

  const EntryView& entry() const { return entry_; }
  uint64_t entryOffset() const { return entryOffset_; }
  const Damage& damage() const { return damage_; }
  uint64_t offset() const { return offset_; }  // behind the last entry found
  void extend(uint64_t end);                   // more of the file became readable

 private:
  base::Result<std::string_view> view(uint64_t offset, size_t bytes);
  base::Result<bool> tryEntry(uint64_t offset);
  base::Result<Found> findNext(uint64_t from);

  base::File& file_;
  const uint32_t salt_;
  uint64_t offset_;
  uint64_t end_;
  uint64_t lastSequence_ = 0;
  EntryView entry_;
  uint64_t entryOffset_ = 0;
  Damage damage_;
  std::string buffer_;
  uint64_t bufferAt_ = 0;
};

}  // namespace logtail::wal
