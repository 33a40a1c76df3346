#pragma once
// Brings the files back to what the manifest says, after a crash or a failure.
//
// Flow: Manifest::load -> recoverFiles -> Manifest::begin. Runs on the output's thread before
// anything is written. An I/O error ends it; it may be run again.

#include <set>
#include <string>

#include "common/base/file_system.h"
#include "outputs/manifest.h"

namespace logtail::outputs {

struct FileRecovery {
  uint64_t cutFiles = 0;  // had bytes behind what was committed
  uint64_t cutBytes = 0;
  uint64_t leftFiles = 0;     // gone, replaced or changed by someone else, or in doubt: not touched
  uint64_t removedFiles = 0;  // created, but never committed
};

// XXH3-64 of the last at most 4 KiB before `length`.
base::Result<uint64_t> hashTail(base::File& file, uint64_t length);

// `condemned`: paths whose sync failed in this process: cut, and never written to again. Takes
// files that were left out of `state`.
base::Status recoverFiles(base::FileSystem& files, const std::string& directory,
                          const std::set<std::string>& condemned, bool uncertain,
                          ManifestState& state, FileRecovery& report);

}  // namespace logtail::outputs
