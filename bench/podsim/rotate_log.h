#pragma once
// One rotation of a container's log, as the kubelet's containerLogManager does it.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace logtail::bench {

// The rotated files of a log, oldest first. Removes what an interrupted rotation left: temporary
// files, and plain ones whose compressed form is there.
base::Result<std::vector<std::string>> rotatedFiles(const std::string& logPath);

// Removes the excess, so that `keep` files stay with the new one; compresses the rotated ones, if
// asked to; renames the log to LOGPATH.SUFFIX. The newest rotated file stays as it is. Who writes
// the log reopens it after this.
base::Status rotateLog(const std::string& logPath, const std::string& suffix, uint32_t keep,
                       bool gzip);

}  // namespace logtail::bench
