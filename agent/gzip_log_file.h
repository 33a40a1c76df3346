#pragma once
// A rotated log that was compressed: inflated front to back, members one after another.
//
// Keeps the last inflated bytes, so that a reader that goes on at the start of a line it saw half of
// costs nothing; further back it inflates from the beginning again. Bytes behind the last whole
// member that are no gzip header are ignored, as gzip does.

#include <list>

#include "agent/log_file.h"

namespace logtail::agent {

class GzipLogFile;

// Lends the memory for inflating (kInflaterBytes each) to at most `limit` files at a time: one file
// more takes the buffers of the one that read longest ago, which then starts over when it is read
// again. So 10,000 compressed files cost no more memory than `limit`.
// Owned by a tail worker, its thread; must outlive the files opened with it.
class InflaterPool {
 public:
  explicit InflaterPool(size_t limit) : limit_(limit) {}
  ~InflaterPool();
  InflaterPool(const InflaterPool&) = delete;
  InflaterPool& operator=(const InflaterPool&) = delete;

  static constexpr size_t kInflaterBytes = 512 * 1024;  // what one takes, rounded up
  size_t lent() const { return users_.size(); }
  uint64_t taken() const { return taken_; }  // times a file lost its place to another

 private:
  friend class GzipLogFile;
  const size_t limit_;
  std::list<GzipLogFile*> users_;  // the one that read last in front
  uint64_t taken_ = 0;
};

class GzipLogFile final : public LogFile {
 public:
  // Owns `fd`.
  GzipLogFile(int fd, uint64_t inode, uint64_t device, std::string path, InflaterPool* pool);
  ~GzipLogFile() override;

  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override;
  std::optional<uint64_t> size() const override { return end_; }
  bool isGzip() const override { return true; }
  bool isDeleted() const override;
  uint64_t diskBytes() const override;
  bool damaged() const override { return damage_.has_value(); }

  // Gives the buffers back; the next read inflates from the beginning.
  void release();

  static constexpr size_t kWindow = 128 * 1024;  // bytes kept behind what was inflated last

 private:
  struct Inflater;
  void acquire();
  base::Status inflateMore();
  bool startMember();
  base::Result<bool> refill();
  base::Status damagedHere(const char* what);

  const int fd_;
  const std::string path_;
  InflaterPool* const pool_;
  std::unique_ptr<Inflater> inflater_;  // null until the first read
  std::list<GzipLogFile*>::iterator place_;  // in the pool's list, while it lends
  std::optional<uint64_t> end_;  // once it was read to its end
  std::optional<uint64_t> damage_;  // the first byte that cannot be had
};

}  // namespace logtail::agent
