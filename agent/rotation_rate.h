#pragma once
// How fast one container's log directory rotates, and so when it deletes a file.
//
// Flow: StreamTailer::refresh() (each listing) -> RotationRate -> seconds_to_rotation_loss
// (docs/operations.md), and which files the spool copies at once. Owned by a StreamTailer; its
// thread. Nothing fails: what the listings do not tell is not known.

#include <cstdint>
#include <optional>
#include <span>

#include "agent/log_directory.h"
#include "common/base/clock.h"

namespace logtail::agent {

class RotationRate {
 public:
  // The directory's rotated files, oldest first.
  void note(std::span<const ListedLogFile> rotated);

  // Until rotation deletes a file behind which `newer` files were rotated, when it keeps `kept`;
  // nothing before two rotations were seen. The next rotation is taken to come as long after the
  // last one as that came after the one before it, or not sooner than it is late already.
  std::optional<base::Nanos> untilDeleted(uint32_t newer, uint32_t kept, int64_t wallNanos) const;

 private:
  int64_t lastAt_ = 0;       // of the last rotation, by the files' names or times; 0: none was seen
  int64_t lastChange_ = 0;   // of the file it took: by the wall clock, close before it
  int64_t betweenLast_ = 0;  // the last two rotations; 0: not known
};

}  // namespace logtail::agent
