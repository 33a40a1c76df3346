#pragma once
// A record: views into a slab or a decoded unit, no object of its own and no allocation a line.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/event/block.h"

namespace logtail::event {

enum RecordFlag : uint8_t {
  kRecordStderr = 1u << 0,      // else stdout
  kRecordTruncated = 1u << 1,   // cut at max_line; the rest is a counted drop
  kRecordIncomplete = 1u << 2,  // its stream ended before its final part
  kRecordMalformed = 1u << 3,   // no CRI line: the whole physical line is the message
  kRecordForeign = 1u << 4,     // starts in another generation than the block's
};

// `message` lives as long as the buffer it points into (see UnitReader).
struct Record {
  int64_t timeNanos = 0;  // the runtime's; the observed time for malformed lines
  uint64_t offset = 0;    // of its first byte in `generation`
  GenerationId generation;
  uint8_t flags = 0;
  std::string_view message;  // without the newline
};

// The seed of all records of one generation of one stream.
inline uint64_t identitySeed(const StreamKey& stream, const GenerationId& generation) {
  return base::mix64(stream.hash.low ^ base::mix64(stream.hash.high + generation.fingerprint) ^
                     (uint64_t{generation.epoch} << 32));
}

// hash(identity, content) of one record: what block, ledger and outputs sum mod 2^64.
// kRecordForeign is how a unit stores an identity, not content, and is left out.
inline uint64_t recordDigest(uint64_t seed, uint64_t offset, int64_t timeNanos, uint8_t flags,
                             uint64_t messageHash) {
  const uint64_t content = messageHash + static_cast<uint64_t>(timeNanos) * 0x9e3779b97f4a7c15ULL +
                           (flags & ~unsigned{kRecordForeign});
  return base::mix64(base::mix64(seed + offset) ^ content);
}

// The record's identity as every schema carries it: 22 base64url characters of 128 bits of hash
// over stream, generation, epoch and offset; fits an Elasticsearch _id.
inline constexpr size_t kRecordIdChars = 22;
void storeRecordId(const StreamKey& stream, const GenerationId& generation, uint64_t offset,
                   char* at);  // kRecordIdChars
std::string recordId(const StreamKey& stream, const GenerationId& generation, uint64_t offset);

}  // namespace logtail::event
