#pragma once
// The sparse index of a sealed segment: which streams it holds, from when to when, and where to
// begin to read for a time. Made while the segment is written, or again from the segment itself.
// Format: docs/wal-format.md, "Index of a segment".

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/file_system.h"
#include "common/wal/segment.h"

namespace logtail::wal {

inline constexpr uint64_t kIndexStep = 1024 * 1024;  // bytes between two places
inline constexpr uint64_t kMaxIndexBytes = 256 * 1024 * 1024;

struct StreamRange {
  int64_t minTimeNanos = 0;
  int64_t maxTimeNanos = 0;
  uint64_t firstOffset = 0;
  bool operator==(const StreamRange&) const = default;
};

struct IndexPlace {
  uint64_t offset = 0;
  uint64_t sequence = 0;
  int64_t receivedNanos = 0;
  bool operator==(const IndexPlace&) const = default;
};

struct SegmentIndex {
  uint32_t salt = 0;
  uint64_t segment = 0;
  uint64_t firstSequence = 0;
  uint64_t lastSequence = 0;
  uint64_t bytes = 0;  // of the segment that hold entries
  std::unordered_map<event::StreamKey, StreamRange, event::StreamKeyHash> streams;
  std::vector<IndexPlace> places;

  // Takes an entry into the index; `spans` are its streams. `receivedNanos` 0: not known, such an
  // entry is no place.
  void add(uint64_t offset, const EntryHeader& header, int64_t receivedNanos,
           const std::vector<StreamSpan>& spans);
};

std::string encodeIndex(const SegmentIndex& index);
// kQuarantine when damaged, kTooNew for a newer version.
base::Result<SegmentIndex> decodeIndex(std::string_view bytes);

// Reads a frame payload's receive time and streams; empty for other kinds or malformed units.
struct EntryContent {
  int64_t receivedNanos = 0;
  std::vector<StreamSpan> streams;
};
EntryContent contentOf(const EntryView& entry);

// Walks the readable part of a segment; damage in it is left out.
base::Result<SegmentIndex> buildIndex(base::File& file, const SegmentHeader& header,
                                      uint64_t bytes);

std::string indexName(uint64_t number);  // "<16 hex>.idx"

}  // namespace logtail::wal
