#pragma once
// A rotated log that was compressed: inflated front to back, members one after another.
//
// Keeps the last kWindow inflated bytes, so that a reader that goes on at the start of a line it
// saw half of costs nothing; further back it inflates from the beginning again. Owner, thread and
// errors as LogFile's. A checksum that fails is damage behind the last byte: until then it is
// unknown.

#include <list>

#include "agent/log_descriptor.h"
#include "agent/log_file.h"

namespace logtail::agent {

class GzipLogFile;
struct Inflater;

// Lends inflating memory (kInflaterBytes each) to at most `limit` files at a time: one more takes
// it from the file that read longest ago, which starts over when it is read again. So 10,000
// compressed files take no more than `limit` times that. Owned by a tail worker; its thread.
class InflaterPool {
 public:
  static constexpr size_t kInflaterBytes = 384 * 1024;  // rounded up

  explicit InflaterPool(size_t limit) : limit_(limit) {}
  InflaterPool(const InflaterPool&) = delete;
  InflaterPool& operator=(const InflaterPool&) = delete;

  size_t lent() const { return users_.size(); }
  uint64_t taken() const { return taken_; }  // times a file lost its place to another

 private:
  friend class GzipLogFile;
  const size_t limit_;
  std::list<GzipLogFile*> users_;  // the one that read last comes first
  uint64_t taken_ = 0;
};

class GzipLogFile final : public LogFile {
 public:
  // Owns `fd`.
  GzipLogFile(int fd, uint64_t inode, std::string path, InflaterPool* pool, DescriptorQuota* quota);
  ~GzipLogFile() override;

  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override;
  std::optional<uint64_t> size() const override { return end_; }
  bool damaged() const override { return damage_.has_value(); }
  bool isGzip() const override { return true; }
  bool isDeleted() const override { return file_.isDeleted(); }
  uint64_t diskBytes() const override { return file_.diskBytes(); }
  std::unique_ptr<LogFile> duplicate() const override;  // without the pool, which is one thread's

  static constexpr size_t kWindow = 128 * 1024;

 private:
  void acquire();
  void release();
  base::Result<size_t> copyOut(uint64_t offset, std::span<char> into);
  base::Status inflateMore();
  base::Status startMember();
  base::Status skipPadding();
  base::Result<bool> refill();
  base::Status damagedHere(const char* what);

  const LogDescriptor file_;
  const std::string path_;
  InflaterPool* const pool_;
  std::list<GzipLogFile*>::iterator place_;  // in the pool's list, while it lends
  std::unique_ptr<Inflater> inflater_;       // between the first read and release()
  std::optional<uint64_t> end_;              // once it was read to its end
  std::optional<uint64_t> damage_;           // the first byte that cannot be had
};

}  // namespace logtail::agent
