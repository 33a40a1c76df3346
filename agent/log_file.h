#pragma once
// The bytes of one generation, wherever they are: a plain file, or one that rotation compressed.
//
// Holds its descriptor from open to destruction, so that a deleted file can be read to its end.
// A path is opened without following a symbolic link. Owned by a StreamTailer; one thread at a time.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/base/result.h"

namespace logtail::agent {

class LogFile {
 public:
  // By its name: `….gz` is decompressed. kNotFound when it is gone, kFixInput without permission.
  static base::Result<std::unique_ptr<LogFile>> open(const std::string& path);
  virtual ~LogFile() = default;

  // Fills `into` from `offset` of the log's own bytes; fewer only at the end there is now.
  // kQuarantine when a compressed file is damaged there, kStop on an I/O error.
  virtual base::Result<size_t> readAt(uint64_t offset, std::span<char> into) = 0;
  // Of the log's own bytes; unset for a compressed file.
  virtual std::optional<uint64_t> size() const = 0;
  virtual bool isGzip() const = 0;

  uint64_t inode() const { return inode_; }
  bool isDeleted() const;  // no name left in any directory

 protected:
  LogFile(int fd, uint64_t inode) : fd_(fd), inode_(inode) {}
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Owns the descriptor: a member, so that it is closed when a constructor further down fails.
  struct Descriptor {
    explicit Descriptor(int value) : fd(value) {}
    ~Descriptor();
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    const int fd;
  };
  Descriptor fd_;

 private:
  const uint64_t inode_;
};

}  // namespace logtail::agent
