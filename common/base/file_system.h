#pragma once
// The file layer under everything durable: queue, ledger, cursors, checkpoints, spool, file output.
//
// Crash promise of the interface (docs/wal-format.md, "What a crash may do"): bytes survive once
// syncData() of their file returned ok; a name (created, renamed, removed) survives once
// syncDirectory() of its directory returned ok. Before that, anything written may be there, torn,
// reordered or gone. After a failed sync the descriptor is never trusted again: close it.
// tests/support/crash_file_system.h implements the same interface with those crashes.
// Thread: a File belongs to one thread at a time; a FileSystem may be used from any.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace logtail::base {

struct FileInfo {
  uint64_t size = 0;
  uint64_t inode = 0;
  uint64_t device = 0;
  int64_t modifiedNanos = 0;
  bool isDirectory = false;
};

class File {
 public:
  virtual ~File() = default;
  // Fills `into` from `offset`; fewer bytes only at the end of the file.
  virtual Result<size_t> readAt(uint64_t offset, std::span<char> into) = 0;
  // Writes all of `parts`, one after another, from `offset`; grows the file. A failed write may
  // have written any part of them.
  virtual Status writeAt(uint64_t offset, std::span<const std::string_view> parts) = 0;
  virtual Status syncData() = 0;  // fdatasync: data and size
  virtual Status truncate(uint64_t size) = 0;
  // Reserves blocks for [0, size) and sets the size; kPushBack when the disk has no room.
  virtual Status allocate(uint64_t size) = 0;
  virtual Result<FileInfo> info() = 0;

  Status write(uint64_t offset, std::string_view bytes) { return writeAt(offset, {&bytes, 1}); }
};

enum class OpenMode : uint8_t {
  kRead,
  kReadWrite,        // must exist
  kCreate,           // read-write, created when absent, kept when present
  kCreateExclusive,  // read-write, fails with kFixInput when present
};

struct SpaceInfo {
  uint64_t totalBytes = 0;
  uint64_t availableBytes = 0;  // to this user
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // kNotFound, kFixInput for what is no regular file: a named pipe is not waited for.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;  // file or empty directory
  // Durable once it returned ok, parents too, also when some of them were there. After a failed
  // sync another call syncs again.
  virtual Status createDirectories(const std::string& path) = 0;
  virtual Status syncDirectory(const std::string& path) = 0;
  // syncData() of each, in no order, all of them though some fail; the answers stand as `files`.
  // At once where the machine can: many files cost far less than one after another. Nobody else
  // uses the files meanwhile; each handle may be used on another thread until this returns.
  virtual std::vector<Status> syncAll(std::span<File* const> files);
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;  // names, sorted
  virtual Result<FileInfo> info(const std::string& path) = 0;
  virtual Result<SpaceInfo> space(const std::string& path) = 0;
};

// The machine's files (mode 0600, directories 0700); lives as long as the process.
FileSystem& posixFileSystem();

// The whole of a file; kQuarantine when it is larger than `limit`.
Result<std::string> readFile(FileSystem& fs, const std::string& path, uint64_t limit);

// Replaces `path` so that after a crash it holds the old bytes or the new, whole: temporary file in
// the same directory, sync, rename, sync of the directory. On failure the old file stays.
Status writeFileAtomically(FileSystem& fs, const std::string& path, std::string_view bytes);

// The part before the last '/', "." without one.
std::string directoryOf(const std::string& path);

}  // namespace logtail::base
