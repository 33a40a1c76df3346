#pragma once
// The last bytes before the reading positions of busy streams, so that a turn need not read them
// again: a block's header carries their hash.
//
// Flow: StreamTailer::read() asks, consume() keeps. By content: what is found under a hash are the
// bytes that have it, whatever became of the file meanwhile. Owned by a tail worker, its thread
// only. A stream that was pushed out by another one of the same place reads its file again.

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "common/event/block.h"
#include "common/event/stream.h"

namespace logtail::agent {

class TailCache {
 public:
  static constexpr size_t kPlaces = 256;
  static constexpr size_t kBytes = kPlaces * event::kTailBytes;
  using Tail = std::span<const char, event::kTailBytes>;

  // Null: not here.
  const char* find(const event::StreamKey& stream, uint64_t hash) const {
    const size_t place = placeOf(stream);
    return hash != 0 && hashes_[place] == hash ? &bytes_[place * event::kTailBytes] : nullptr;
  }
  void keep(const event::StreamKey& stream, uint64_t hash, Tail tail) {
    const size_t place = placeOf(stream);
    hashes_[place] = hash;
    std::memcpy(&bytes_[place * event::kTailBytes], tail.data(), tail.size());
  }

 private:
  static size_t placeOf(const event::StreamKey& stream) {
    return static_cast<size_t>(stream.hash.low >> 32) % kPlaces;
  }

  // 0: free. The bytes take memory as they are used.
  std::array<uint64_t, kPlaces> hashes_{};
  std::unique_ptr<char[]> bytes_ = std::make_unique_for_overwrite<char[]>(kBytes);
};

}  // namespace logtail::agent
