#pragma once
// The bytes of one generation, wherever they are: a plain file, one that rotation compressed, or a
// copy in the spool.
//
// Holds its descriptor from open to destruction, so that a deleted file can be read to its end.
// A path is opened without following a symbolic link. Owned by a StreamTailer; one thread at a
// time.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/base/file_system.h"
#include "common/base/result.h"

namespace logtail::agent {

class InflaterPool;
struct DescriptorQuota;

class LogFile {
 public:
  // By its name: `….gz` is decompressed, with memory lent by `pool`, which must outlive the file;
  // without one it brings its own. kNotFound when it is gone, kFixInput when it is no regular file.
  // kPushBack when `quota`, which must outlive it too, or the process has no descriptor left.
  static base::Result<std::unique_ptr<LogFile>> open(const std::string& path,
                                                     InflaterPool* pool = nullptr,
                                                     DescriptorQuota* quota = nullptr);
  virtual ~LogFile() = default;
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Fills `into` from `offset` of the log's own bytes; fewer only at the end there is now, or right
  // before damage: damaged() then says so, and a read that starts there gets kQuarantine.
  // kNotFound before firstOffset(), kStop on an I/O error.
  virtual base::Result<size_t> readAt(uint64_t offset, std::span<char> into) = 0;
  // Where the log's own bytes end; unset for a compressed file that was not read to its end yet.
  virtual std::optional<uint64_t> size() const = 0;
  // Whether some read met bytes that cannot be had; everything before them can.
  virtual bool damaged() const { return false; }
  virtual bool isGzip() const { return false; }
  virtual bool isDeleted() const { return false; }  // no name left in any directory
  // What the disk gets back when the last name and this descriptor are gone (see DiskBudget).
  virtual uint64_t diskBytes() const = 0;

  // The same bytes by a descriptor of its own, for another thread; null when there is none to be
  // had.
  virtual std::unique_ptr<LogFile> duplicate() const { return nullptr; }

  // A copy in the spool has no bytes before this, and is known by what it was stored under.
  virtual uint64_t firstOffset() const { return 0; }
  virtual std::optional<uint64_t> storedFingerprint() const { return std::nullopt; }

  // Of the file in its log directory; 0 for a spooled copy, which is in none.
  uint64_t inode() const { return inode_; }

 protected:
  explicit LogFile(uint64_t inode) : inode_(inode) {}

 private:
  const uint64_t inode_;
};

}  // namespace logtail::agent
