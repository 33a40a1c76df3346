#pragma once
// Decides, when the aggregator has said where a stream stands, what of its files is read, in which
// order and from which byte. Pure: all looking at files goes through FoundFile.
//
// Rules (docs/wire-format.md, "Conversation"): a generation the ledger knows goes on at its `to`; a
// file that is shorter or differs before `to` was rewritten and is the next epoch from 0; a known
// one that did not end and is gone has lost its tail; an unknown file behind the newest known one
// is new; an unknown one before it is late, unless it is older than the stream's start, then it is
// not read. A copy in the spool is a file like any other, but for its first bytes, which it may
// lack.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "common/event/resume.h"

namespace logtail::agent {

struct FoundFile {
  std::optional<uint64_t> fingerprint;  // unset: too short to have one yet
  int64_t firstTimeNanos = 0;           // of its first line; 0 when that is no CRI line
  // Whether the file has at least `to` bytes and the bytes before `to` hash to `tailHash`.
  std::function<bool(uint64_t to, uint64_t tailHash)> holds;
  // Nobody writes to it any more: read to its end, it need not be looked at again, which would mean
  // to inflate all of it.
  bool isCompressed = false;
  // Of a copy in the spool: what it was stored as, and the first byte it can be read from.
  std::optional<event::GenerationId> copyOf;
  uint64_t copyFrom = 0;
};

enum class StartAt : uint8_t { kHead, kTail };

struct PlannedGeneration {
  std::optional<size_t> file;             // index of the found file; unset: gone from the disk
  std::optional<event::GenerationId> id;  // unset: once the file has a fingerprint
  uint32_t ordinal = 0;
  uint64_t to = 0;  // read from here
  uint64_t tailHash = 0;
  uint64_t gapTo = 0;  // the bytes up to here are in no file any more; 0: none are missing
  bool atEnd = false;  // start behind the last whole line there is now
  bool late = false;
  bool finished = false;  // consumed and ended: kept only for open records that start in it
  // Ends here with bytes missing behind `to`, their number unknown.
  event::LossReason tailLost = event::LossReason::kNone;
};

// `files` oldest first. The result is in reading order.
std::vector<PlannedGeneration> planStream(const event::Resume& resume,
                                          const std::vector<FoundFile>& files, StartAt start);

// The ordinal that follows every one in `generations`.
uint32_t nextOrdinal(const std::vector<PlannedGeneration>& generations);

}  // namespace logtail::agent
