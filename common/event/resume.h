#pragma once
// Where a stream stands: what STREAM and STREAM_OK carry, what checkpoint and ledger store.
// Format: docs/wire-format.md, "resume".

#include <cstdint>
#include <string>
#include <vector>

#include "common/event/block.h"

namespace logtail::event {

struct GenerationResume {
  GenerationId id;
  uint32_t ordinal = 0;
  bool end = false;       // `to` is its final end
  uint64_t to = 0;        // bytes consumed
  uint64_t tailHash = 0;  // of the last <= kTailBytes before `to`
  bool operator==(const GenerationResume&) const = default;
};

struct Resume {
  int64_t startTimeNanos = 0;  // the stream's start: time of the first record that was to be read
  ChannelStates channels;      // after the newest block
  std::vector<GenerationResume> generations;  // by ordinal, oldest first, the newest kept ones

  bool operator==(const Resume&) const = default;
  bool empty() const { return generations.empty(); }
  const GenerationResume* find(const GenerationId& id) const;
  // Takes a block's position over: adds or moves its generation, keeps the order by ordinal, sets
  // the channels, forgets the oldest generations beyond kMaxGenerations.
  void advance(const BlockHeader& block);
};

inline constexpr size_t kMaxGenerations = 64;

void encode(const Resume& resume, std::string& out);
// Leaves `in` failed when the bytes are no resume.
Resume decodeResume(base::Decoder& in);

}  // namespace logtail::event
