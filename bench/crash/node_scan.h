#pragma once
// Reads a simulated node's log files, compressed ones too: which lines still have a copy there.

#include <string>

#include "bench/podcheck/delivery_check.h"
#include "common/base/result.h"

namespace logtail::bench {

// The first sequence of each stream and channel whose beginning is in a file below ROOT/pods.
// Nobody may write or rotate meanwhile.
base::Result<Floors> firstOnDisk(const std::string& root);

}  // namespace logtail::bench
