#pragma once
// The file of one spooled generation, its writer and its reader. Format: docs/spool-format.md.
//
// Flow: Spool::copy -> file -> Spool::load -> openSpoolFile -> StreamTailer.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/log_file.h"
#include "common/base/file_system.h"
#include "common/event/block.h"
#include "common/event/stream.h"

namespace logtail::agent {

inline constexpr uint32_t kSpoolVersion = 1;
inline constexpr size_t kSpoolChunk = 256 * 1024;

struct SpoolHeader {
  event::StreamDescription description;  // whole, so that a node without the pod can still ship it
  event::GenerationId generation;
  uint32_t ordinal = 0;
  int64_t rotatedNanos = 0;  // when rotation took the file: which copy is the oldest
  uint64_t from = 0;         // where reading resumes: an open record's first byte, else the `to`
                             // that was acknowledged
  // Set by the writer: the up to kTailBytes before `from` are kept too, so that the position can be
  // checked as in any other file.
  uint64_t first = 0;
  uint64_t to = 0;
  bool sourceDamaged = false;  // bytes behind `to` could not be had
};

std::string encodeSpoolHeader(const SpoolHeader& header);  // prefix and header
uint64_t spoolFileBytes(const SpoolHeader& header);        // of the whole file

// Writes and syncs all of `source` from `header.from` to its end as a new file `path`; sets first,
// to and sourceDamaged. kNotFound when the source has nothing behind `from`. On an error the file
// may be there in part. Takes 256 KiB of memory for the time. Any thread, if `source` is nobody
// else's.
base::Status writeSpoolFile(base::FileSystem& files, const std::string& path, LogFile& source,
                            SpoolHeader& header);

// kTooNew for a newer version, kQuarantine when the header is damaged. Data is checked as it is
// read.
base::Result<SpoolHeader> readSpoolHeader(base::FileSystem& files, const std::string& path);

// A LogFile of the bytes [first, to): kQuarantine from the first chunk on that is torn or damaged,
// and behind `to` when the source was damaged there.
base::Result<std::unique_ptr<LogFile>> openSpoolFile(base::FileSystem& files,
                                                     const std::string& path);

}  // namespace logtail::agent
