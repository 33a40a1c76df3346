#pragma once
// Keeps frames whose CRCs are right and whose content is not, for a person to look at:
// DATA/quarantine/<node>-<life>-<sequence>.frame, the units as they came.
//
// Flow: AgentSession -> store() -> acknowledged. Any thread; one lock, held over a disk write:
// poison is a bug somewhere and may be slow. Bounded by files and bytes; what is beyond is counted
// only. Failure: a frame that cannot be stored is counted, and acknowledged all the same: sending
// it again cures nothing.

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/file_system.h"

namespace logtail::aggregator {

class Quarantine {
 public:
  struct Limits {
    uint64_t files = 1000;
    uint64_t bytes = 64 * 1024 * 1024;
  };
  struct Counts {
    uint64_t files = 0;  // present in the directory, those of former starts included
    uint64_t bytes = 0;
    uint64_t notStored = 0;  // since this start
  };

  Quarantine(base::FileSystem& fs, std::string directory, Limits limits)
      : fs_(fs), directory_(std::move(directory)), limits_(limits) {}

  base::Status open();  // counts what is there
  void store(std::string_view node, uint64_t life, uint64_t sequence, std::string_view units,
             const char* reason);
  Counts counts() const;

 private:
  base::FileSystem& fs_;
  const std::string directory_;
  const Limits limits_;
  mutable std::mutex mutex_;
  Counts counts_;
};

}  // namespace logtail::aggregator
