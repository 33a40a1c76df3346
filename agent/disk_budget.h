#pragma once
// Decides which held generation is given up when the disk runs short (invariant 3): files that are
// deleted but open, and copies in the spool, together stay below `maxBytes`, and their file systems
// keep `minFreePercent` free.
//
// Flow: what StreamTailers hold and Spool has -> decide() -> the caller closes files, removes
// copies and declares the bytes lost (LossReason::kGivenUp). Looks, and acts on nothing itself.
// Owned by a tail worker; `files` must outlive it. Thread: one at a time. Where the file system
// does not tell its space, only maxBytes counts.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/file_system.h"

namespace logtail::agent {

struct DiskLimits {
  uint64_t maxBytes = 1ULL << 30;
  uint32_t minFreePercent = 15;
  uint32_t sharers = 1;  // workers that each set their share of missing space free
};

struct HeldGeneration {
  uint64_t id = 0;            // the caller's
  bool isSpooled = false;     // else a deleted file that is held open
  int64_t rotatedNanos = 0;   // its age among all
  uint64_t diskBytes = 0;     // that giving it up sets free
  uint64_t unackedBytes = 0;  // that giving it up loses; 0 when another copy has them
};

class DiskBudget {
 public:
  struct Counts {
    uint64_t generations = 0;  // given up
    uint64_t lostBytes = 0;    // their unackedBytes
    uint64_t freedBytes = 0;   // their diskBytes
    uint64_t refusedCopies = 0;
  };

  // `logPath` and `statePath` are anywhere on the file systems of the logs and of the spool.
  DiskBudget(base::FileSystem& files, std::string logPath, std::string statePath,
             DiskLimits limits);

  // What to give up, in this order: the oldest first, those that lose nothing before all others,
  // and no more than needed. Counted as given up.
  std::vector<HeldGeneration> decide(std::vector<HeldGeneration> held);

  // Whether the spool may take a copy of `bytes` while `heldBytes` are held in all. A file that is
  // deleted already and goes once it is copied should not be in `heldBytes`.
  bool mayCopy(uint64_t bytes, uint64_t heldBytes);

  const Counts& counts() const { return counts_; }

 private:
  uint64_t shortage(const std::string& path) const;
  bool isOneFileSystem() const;

  base::FileSystem& files_;
  const std::string logPath_;
  const std::string statePath_;
  const DiskLimits limits_;
  Counts counts_;
};

}  // namespace logtail::agent
