#pragma once
// Reads what an output wrote: JSON lines, plain or zstd (*.zst, any number of frames).
// Pure but for the file; any thread.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace logtail::bench {

// All files below `directory` but hidden ones, sorted. kNotFound when there is no such directory.
base::Result<std::vector<std::string>> resultFiles(const std::string& directory);

// Calls `line` for each line, without its newline; the bytes are the callee's to change until it
// returns. kQuarantine when the file ends within a line or a frame, or a frame is damaged: what
// came before was given.
base::Status readLines(const std::string& path, const std::function<void(std::string&)>& line);

}  // namespace logtail::bench
