#pragma once
// A block: the consumed bytes [from, to) of one generation of one stream, with what became of each.
//
// Its header travels uncompressed in the unit, is stored as it is, and is all that the ledger
// reads. Σ(to − from) = recordBytes + Σ drops.bytes + lostBytes + change of openBytes, per stream,
// always: Ledger::admit checks it block by block. Format: docs/wire-format.md, "Block header".

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/coding.h"
#include "common/event/stream.h"

namespace logtail::event {

// One file of a stream between rotations. The fingerprint is XXH3-64 of the first physical line
// with its newline, at most kFingerprintBytes; the epoch counts rewrites under an equal
// fingerprint.
struct GenerationId {
  uint64_t fingerprint = 0;
  uint32_t epoch = 0;
  auto operator<=>(const GenerationId&) const = default;
};

inline constexpr size_t kFingerprintBytes = 4096;
inline constexpr size_t kTailBytes = 4096;  // hashed before `to`, to notice a rewritten file

enum class Channel : uint8_t { kStdout = 0, kStderr = 1 };
inline constexpr size_t kChannels = 2;

// Where a channel stands after the block: between records, inside one that waits for its final
// part, or behind one that was cut, whose parts up to the final one are dropped.
struct ChannelState {
  enum class Kind : uint8_t { kNone = 0, kOpen = 1, kCut = 2 };
  Kind kind = Kind::kNone;
  GenerationId generation;  // of the first byte of the open or cut record; unset for kNone
  uint64_t offset = 0;
  uint64_t openBytes = 0;  // raw bytes of an open record's parts consumed so far
  bool operator==(const ChannelState&) const = default;
};
using ChannelStates = std::array<ChannelState, kChannels>;

// Why bytes or records were dropped on purpose. Values are stored; append only.
enum class DropReason : uint8_t {
  kOverLimit = 0,  // parts of a line beyond max_line
  kEmptyLine = 1,  // physical lines without content: a bare newline
  kCount = 2,
};
inline constexpr size_t kDropReasons = static_cast<size_t>(DropReason::kCount);
const char* name(DropReason reason);

// Why bytes were lost against our will.
enum class LossReason : uint8_t {
  kNone = 0,
  kRotatedAway = 1,   // the file went before it was read to its end
  kTruncated = 2,     // shorter than what was read, or rewritten
  kGivenUp = 3,       // disk.max reached: the oldest was let go
  kOpenPartGone = 4,  // an open record's first parts are gone from the disk
  kUnreadable = 5,    // EIO or a damaged gzip member
  kCount = 6,
};
const char* name(LossReason reason);

struct DropCount {
  uint64_t records = 0;
  uint64_t bytes = 0;
  bool operator==(const DropCount&) const = default;
};

enum BlockFlag : uint32_t {
  kBlockEnd = 1u << 0,       // `to` is the generation's final end
  kBlockLate = 1u << 1,      // an older generation found after a newer one was shipped
  kBlockInDoubt = 1u << 2,   // may have been delivered before (lost_after_ack, fail-over)
  kBlockTailLost = 1u << 3,  // the generation had more bytes, their number unknown
};

struct BlockHeader {
  StreamKey stream;
  GenerationId generation;
  uint32_t ordinal = 0;  // order among the stream's generations only
  uint32_t flags = 0;
  uint64_t from = 0;
  uint64_t to = 0;
  uint32_t configEpoch = 0;
  uint32_t records = 0;
  int64_t observedNanos = 0;  // wall clock when the bytes were read
  int64_t minTimeNanos = 0;   // of the records; 0 without any
  int64_t maxTimeNanos = 0;
  uint64_t recordBytes = 0;  // raw bytes of the records in this block, their earlier parts too
  uint64_t lostBytes = 0;
  LossReason lossReason = LossReason::kNone;
  std::array<DropCount, kDropReasons> drops{};
  uint64_t digest = 0;    // sum mod 2^64 of digests of the records (digest.h)
  uint64_t tailHash = 0;  // XXH3-64 of the last <= kTailBytes before `to`; 0 when `to` is 0
  ChannelStates channels;
  uint32_t messageBytes = 0;  // of this block's part of the body: messages, then columns
  uint32_t columnBytes = 0;

  bool operator==(const BlockHeader&) const = default;
  uint64_t openBytes() const { return channels[0].openBytes + channels[1].openBytes; }
  uint64_t dropBytes() const;
};

inline constexpr size_t kMaxBlockHeader = 512;  // encoded bytes

void encode(const ChannelState& state, std::string& out);
ChannelState decodeChannelState(base::Decoder& in);

void encode(const BlockHeader& header, std::string& out);
// Leaves `in` failed when the bytes are no block header.
BlockHeader decodeBlockHeader(base::Decoder& in);

}  // namespace logtail::event
