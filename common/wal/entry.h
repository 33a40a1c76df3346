#pragma once
// What the queue is made of: entries, and the payload of each kind (docs/wal-format.md, "Segment").

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/event/stream.h"

namespace logtail::wal {

inline constexpr size_t kEntryHeaderBytes = 40;
inline constexpr size_t kMaxEntryPayload = 2 * 1024 * 1024;
inline constexpr uint64_t kMaxSequence = uint64_t{1} << 62;  // a greater one is damage
inline constexpr uint32_t kEntryMagic = 0x3145544c;          // "LTE1"

// Values are on disk; append only.
enum class EntryKind : uint8_t {
  kFrame = 1,
  kStream = 2,
  kStreamEnd = 3,
  kStats = 4,
  kForget = 5,
  kMark = 6,
};

inline bool isKnown(EntryKind kind) {
  return kind >= EntryKind::kFrame && kind <= EntryKind::kMark;
}

// Of an entry's flags: a description that the writer put before the entry that needs it; it carries
// that entry's sequence.
inline constexpr uint8_t kEntryAuxiliary = 1u << 0;
// Of an entry's flags: who does not know the kind must not skip it.
inline constexpr uint8_t kEntryCritical = 1u << 7;

struct EntryHeader {
  uint32_t length = 0;  // of the payload
  uint64_t sequence = 0;
  uint64_t durable = 0;  // highest sequence known durable when this was written
  EntryKind kind = EntryKind::kMark;
  uint8_t flags = 0;
  uint32_t epoch = 0;  // of the start that wrote it
  uint32_t payloadCrc = 0;

  bool isAuxiliary() const { return (flags & kEntryAuxiliary) != 0; }
  // The highest sequence of which this entry is the whole.
  uint64_t completes() const { return isAuxiliary() ? sequence - 1 : sequence; }
  // With its padding: entries begin at multiples of 8.
  uint64_t storedBytes() const { return (kEntryHeaderBytes + uint64_t{length} + 7) & ~uint64_t{7}; }
};

// kEntryHeaderBytes at `at`; CRCs are seeded with the segment's salt.
void storeEntryHeader(const EntryHeader& header, uint32_t salt, char* at);
// False when the kEntryHeaderBytes at `at` are no valid header of this segment, or one that
// contradicts itself.
bool loadEntryHeader(const char* at, uint32_t salt, EntryHeader& out);

// One stream's part of an entry, for the segment's descriptions and its index.
struct StreamSpan {
  event::StreamKey key;
  int64_t minTimeNanos = 0;  // of the records; min > max without any
  int64_t maxTimeNanos = -1;
};

// An entry on its way in. Payload: head, then body.
struct Entry {
  EntryKind kind = EntryKind::kFrame;
  uint8_t flags = 0;
  std::string head;
  std::shared_ptr<const void> bodyOwner;  // keeps `body` alive until the entry is durable
  std::optional<uint32_t> bodyCrc;        // CRC-32C of `body`, where it is known already
  std::string_view body;
  std::vector<StreamSpan> streams;  // that it refers to: described in its segment before it

  size_t payloadBytes() const { return head.size() + body.size(); }
};

// An entry as a reader sees it; `payload` lives until the reader moves on.
struct EntryView {
  EntryHeader header;
  std::string_view payload;
};

// What became of one block of a frame; every reader obeys it.
enum class Verdict : uint8_t {
  kAccept = 0,
  kRepeat = 1,         // known already: skip
  kForbidden = 2,      // another node's stream: skip
  kDeclaredGap = 3,    // accepted; the bytes missing before it are declared
  kUndeclaredGap = 4,  // accepted; nobody said why bytes before it are missing
};
inline bool isAccepted(Verdict verdict) {
  return verdict != Verdict::kRepeat && verdict != Verdict::kForbidden;
}

inline constexpr uint8_t kEnvelopeUnproven = 1u << 0;  // the node's name came without TLS

struct Envelope {
  std::string node;
  uint64_t life = 0;
  uint64_t frameSequence = 0;  // within the life
  int64_t receivedNanos = 0;
  uint8_t flags = 0;
  std::vector<Verdict> verdicts;  // one a block, over all units in order
  bool operator==(const Envelope&) const = default;
};

struct FrameView {
  Envelope envelope;
  std::string_view units;
};

// A frame entry's head; its body are the units.
std::string encodeFrameHead(const Envelope& envelope);
base::Result<FrameView> decodeFrame(std::string_view payload);
// Calls `use` with each unit of a frame, in order; its error ends the walk.
base::Status forEachUnit(std::string_view units,
                         const std::function<base::Status(std::string_view unit)>& use);

// A stream entry. `open` is what the aggregator declares with it, opaque here; empty without.
struct StreamEntry {
  event::StreamKey key;
  std::string description;  // encoded
  std::string open;
  bool operator==(const StreamEntry&) const = default;
};
std::string encodeStreamEntry(const StreamEntry& stream);
base::Result<StreamEntry> decodeStreamEntry(std::string_view payload);

struct StreamEndEntry {
  event::StreamKey key;
  int64_t timeNanos = 0;
};
std::string encodeStreamEnd(const StreamEndEntry& end);
base::Result<StreamEndEntry> decodeStreamEnd(std::string_view payload);

struct StatsEntry {
  std::string node;
  uint64_t life = 0;
  bool final = false;
  int64_t timeNanos = 0;
  std::string body;  // docs/wire-format.md, "STATS body"
};
std::string encodeStats(const StatsEntry& stats);
base::Result<StatsEntry> decodeStats(std::string_view payload);

struct ForgetEntry {
  struct Loss {
    event::StreamKey key;
    uint64_t bytes = 0;
  };
  std::string node;
  std::vector<Loss> losses;
};
std::string encodeForget(const ForgetEntry& forget);
base::Result<ForgetEntry> decodeForget(std::string_view payload);

}  // namespace logtail::wal
