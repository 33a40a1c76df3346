#pragma once
// The bytes of one generation, wherever they are: a plain file, one that rotation compressed, or a
// copy in the spool.
//
// Holds its descriptor from open to destruction, so that a deleted file can be read to its end.
// A path is opened without following a symbolic link. Owned by a StreamTailer; one thread at a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/base/file_system.h"
#include "common/base/result.h"

namespace logtail::agent {

class InflaterPool;

class LogFile {
 public:
  // By its name: `….gz` is decompressed, with buffers lent by `pool`, which must outlive the file;
  // without one it has its own. kNotFound when it is gone, kFixInput when it is no regular file.
  static base::Result<std::unique_ptr<LogFile>> open(const std::string& path,
                                                     InflaterPool* pool = nullptr);
  // A file that Spool wrote. kTooNew for a newer format, kQuarantine for a damaged header.
  static base::Result<std::unique_ptr<LogFile>> openSpooled(base::FileSystem& files,
                                                            const std::string& path);
  virtual ~LogFile() = default;
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Fills `into` from `offset` of the log's own bytes; fewer only at the end there is now, or just
  // before damage: then damaged() says so, and a read that starts there gets kQuarantine.
  // kNotFound before firstOffset(), kStop on an I/O error.
  virtual base::Result<size_t> readAt(uint64_t offset, std::span<char> into) = 0;
  // Where the log's own bytes end; unset for a compressed file that was not read to its end yet.
  virtual std::optional<uint64_t> size() const = 0;
  virtual bool isGzip() const { return false; }
  virtual bool isSpooled() const { return false; }
  virtual bool isDeleted() const { return false; }  // no name left in any directory
  // What it takes from the disk until it is closed and has no name: DiskBudget's measure.
  virtual uint64_t diskBytes() const = 0;
  // Whether a read met bytes that cannot be had; what is before them was, or can be, read.
  virtual bool damaged() const { return false; }
  // The first byte there is; a spooled copy starts where reading would resume.
  virtual uint64_t firstOffset() const { return 0; }
  // Of a spooled copy, which need not hold the bytes it was made of.
  virtual std::optional<uint64_t> storedFingerprint() const { return std::nullopt; }

  // Of the file in its log directory; 0 for a spooled copy, which has none there.
  uint64_t inode() const { return inode_; }
  uint64_t device() const { return device_; }

 protected:
  LogFile(uint64_t inode, uint64_t device) : inode_(inode), device_(device) {}

 private:
  const uint64_t inode_;
  const uint64_t device_;
};

}  // namespace logtail::agent
