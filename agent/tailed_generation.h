#pragma once
// One generation as a StreamTailer follows it: where its bytes are, how far they are read, sealed
// and acknowledged, and what rotation has done to its file.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "agent/log_file.h"
#include "common/base/clock.h"
#include "common/event/block.h"

namespace logtail::agent {

// A generation whose end is acknowledged: enough to know a copy of it, and its next epoch.
struct PastGeneration {
  event::GenerationId id;
  uint64_t to = 0;
  uint64_t tailHash = 0;
  uint64_t nameHash = 0;
};

// A file that was looked at and has nothing for us, until it changes. A rename leaves size and time
// as they are; an inode that is used again does not.
struct IgnoredFile {
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modifiedNanos = 0;
  bool operator==(const IgnoredFile&) const = default;
};

struct TailedGeneration {
  std::unique_ptr<LogFile> file;  // null: gone, given up, resting, or awaited
  std::string name;               // in the log directory; the last one it was seen under
  std::optional<event::GenerationId> id;
  uint32_t ordinal = 0;
  uint32_t flags = 0;  // of every block: late

  uint64_t to = 0;        // sealed up to here
  uint64_t tailHash = 0;  // of the last <= kTailBytes before `to`
  uint64_t scanned = 0;   // of a line longer than the slab, which starts at `to`
  uint64_t readTo = 0;    // handed out by the file so far
  uint64_t ackedTo = 0;
  uint64_t doubtTo = 0;  // blocks that begin before are in doubt
  uint64_t gapTo = 0;    // [to, gapTo) is nowhere any more; what is behind goes on
  bool atEnd = false;    // starts behind the last whole line
  bool endSent = false;
  bool endAcked = false;
  bool resting = false;  // closed for want of descriptors: all of it is read and acknowledged
  bool awaited = false;  // known, and perhaps one of the files that cannot be opened now
  event::LossReason tailLost = event::LossReason::kNone;
  std::optional<uint64_t> lostTo;  // without a file: where it ended, when that is known

  uint64_t inode() const { return file != nullptr ? file->inode() : resting ? seen.inode : 0; }

  // --- what refresh() saw of its file ---
  bool listed = false;
  IgnoredFile seen;                      // as it was listed
  IgnoredFile gzip;                      // its `.gz`, as it was listed
  bool compressed = false;               // its plain file is gone, its `.gz` is there
  bool unlinked = false;                 // no name left: only the descriptor keeps the bytes
  bool endangered = false;               // one of the two that rotation deletes next
  std::optional<uint32_t> newerRotated;  // files rotated after it; the current file has none
  std::optional<base::Nanos> successorSeen;
  int64_t rotatedNanos = 0;  // wall clock of that

  // --- of a copy in the spool ---
  bool copied = false;  // there is one, but the file is still read
  std::optional<event::GenerationId> copyOf;
  uint64_t copyFrom = 0;  // SpoolHeader::from

  std::optional<uint64_t> print;  // of a given-up file, which can tell no more
};

}  // namespace logtail::agent
