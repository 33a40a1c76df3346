#pragma once
// What makes a file the generation it is: docs/wire-format.md, "Generation fingerprint".

#include <cstdint>
#include <optional>

#include "agent/log_file.h"
#include "common/base/result.h"

namespace logtail::agent {

// XXH3-64 of the first line with its newline, at most its first kFingerprintBytes. Nothing while
// the file has neither; of a file at its `final` end all its bytes count, nothing when it is empty.
// A spooled copy answers what it was stored under.
base::Result<std::optional<uint64_t>> fingerprint(LogFile& file, bool final);

// XXH3-64 of the last <= kTailBytes before `to`; 0 for `to` 0. kNotFound when the file is shorter.
base::Result<uint64_t> tailHash(LogFile& file, uint64_t to);

// Whether the file has `to` bytes and the last of them hash to `tail`. 0 stands for bytes that were
// lost: nobody knows what was there.
bool holdsUpTo(LogFile& file, uint64_t to, uint64_t tail);

}  // namespace logtail::agent
