#pragma once
// What the ledger remembers of each stream and node. Plain data; Ledger (ledger.h) owns it.

#include <array>
#include <cstdint>
#include <string>

#include "common/event/block.h"
#include "common/event/resume.h"
#include "common/event/stream.h"

namespace logtail::aggregator {

// What outputs must deliver of a stream: counted from block headers here, from records there.
struct Content {
  uint64_t records = 0;
  uint64_t recordBytes = 0;
  uint64_t digest = 0;  // sum mod 2^64, common/event/record.h
  bool operator==(const Content&) const = default;
  void add(const Content& other) {
    records += other.records;
    recordBytes += other.recordBytes;
    digest += other.digest;
  }
};

struct Tally {
  uint64_t blocks = 0;
  uint64_t bytes = 0;
  bool operator==(const Tally&) const = default;
};

inline constexpr size_t kLossReasons = static_cast<size_t>(event::LossReason::kCount);

// Everything counted where it happens, never by subtraction (invariant 2). For each stream, always:
//   consumedBytes + openAdjust = content.recordBytes + Σ drops.bytes + Σ lost + open bytes now
struct StreamTotals {
  uint64_t blocks = 0;
  uint64_t consumedBytes = 0;  // Σ (to - from) of accepted blocks
  Content content;
  std::array<event::DropCount, event::kDropReasons> drops{};
  std::array<uint64_t, kLossReasons> lost{};  // bytes by reason
  uint64_t tailsLost = 0;   // generations that had more bytes, their number unknown
  uint64_t startBytes = 0;  // before a first block that began further on, as configured
  Tally moved;              // taken over from another queue's checkpoint: jumps and their bytes
  Tally gaps;               // undeclared: bytes missing before a block
  Tally lostAfterAck;       // missing on replay: their entries were damaged below the durable mark
  Tally inDoubt;            // blocks that may have been delivered before
  Tally resent;             // repeats within a resent frame: dropped, explained
  Tally repeated;           // repeats nothing explains: dropped
  Tally forbidden;          // blocks of another node's stream, booked on this one
  uint64_t openAdjust = 0;  // mod 2^64: open bytes that came or went with gaps and declared starts
  uint64_t unfinishedForgotten = 0;  // generations let go of before their end was told
  uint64_t lostWithNode = 0;         // booked by forget-node
  // Generations of an epoch above 0 of whose fingerprint an earlier epoch was known, and all their
  // bytes: a file that was rewritten under its first line, or the same one once more.
  Tally begunAgain;
  Tally doubled;  // of them, those that were the same to the earlier one's last byte

  bool operator==(const StreamTotals&) const = default;

  // Visits every counter in the order in which snapshots store them; append only.
  template <typename Visitor>
  void visit(Visitor&& visitor) {
    visitor(blocks), visitor(consumedBytes);
    visitor(content.records), visitor(content.recordBytes), visitor(content.digest);
    for (auto& drop : drops) visitor(drop.records), visitor(drop.bytes);
    for (auto& bytes : lost) visitor(bytes);
    visitor(tailsLost), visitor(startBytes);
    for (Tally* tally : {&moved, &gaps, &lostAfterAck, &inDoubt, &resent, &repeated, &forbidden}) {
      visitor(tally->blocks), visitor(tally->bytes);
    }
    visitor(openAdjust), visitor(unfinishedForgotten), visitor(lostWithNode);
    for (Tally* tally : {&begunAgain, &doubled}) visitor(tally->blocks), visitor(tally->bytes);
  }
  void add(const StreamTotals& other);
  uint64_t dropBytes() const;
  uint64_t lostBytes() const;
};

// What one life of the agent sealed of a stream, or what the ledger accepted of that life.
struct LifeCounts {
  uint64_t bytes = 0;
  uint64_t records = 0;
  uint64_t digest = 0;
  bool operator==(const LifeCounts&) const = default;
};

// The agent's own counts of a stream, from its newest STATS; since its life began.
struct AgentCounts {
  uint64_t life = 0;  // 0: no STATS named this stream yet
  uint64_t readBytes = 0;
  uint64_t rereadBytes = 0;
  uint64_t knownBytes = 0;    // of the stream's files, beyond what was sealed
  uint64_t pendingBytes = 0;  // of all streams of the node: sealed, not acknowledged
  LifeCounts sealed;
  LifeCounts accepted;  // by the ledger of that life, when the STATS came through the queue
  bool operator==(const AgentCounts&) const = default;
};

struct StreamState {
  event::StreamKey key;
  std::string node;         // its owner
  std::string description;  // encoded; empty when only the snapshot's damage left it unknown
  event::Resume resume;
  StreamTotals totals;
  uint64_t life = 0;  // of the newest accepted block
  LifeCounts ofLife;  // accepted of that life
  AgentCounts agent;
  int64_t endedNanos = 0;  // STREAM_END or forget-node; 0: not ended
  bool inDoubt = false;    // may continue a stream that was forgotten early
  bool rebuilt = false;  // its record in a snapshot was damaged: totals begin later than the stream
  uint32_t scratch = 0;  // admission only: its slot + 1

  uint64_t openBytes() const { return resume.channels[0].openBytes + resume.channels[1].openBytes; }
  // Generations with a successor whose final end nobody told yet.
  uint64_t unfinished() const;
  bool operator==(const StreamState& other) const;
};

struct NodeState {
  std::string name;
  uint64_t life = 0;       // of its newest accepted frame
  uint64_t lastFrame = 0;  // the newest frame of that life in the queue
  uint64_t statsLife = 0;  // of its newest STATS; 0: none
  int64_t statsNanos = 0;  // the agent's wall clock
  bool statsFinal = false;
  uint64_t statsPendingBytes = 0;
  bool unproven = false;  // its name came from HELLO, without TLS
  bool forgotten = false;
  uint64_t forcedForgets = 0;  // streams let go of before their time, for want of room
  uint64_t streams = 0;
  bool operator==(const NodeState&) const = default;
};

}  // namespace logtail::aggregator
