#pragma once
// Compresses a rotated log file the way the kubelet does: PATH.tmp, rename to PATH.gz, remove PATH.

#include <string>

#include "common/base/result.h"

namespace logtail::bench {

// On failure PATH stays; a PATH.tmp may be left, as the kubelet leaves one.
base::Status gzipFile(const std::string& path);

}  // namespace logtail::bench
