#pragma once
// A rotated log that was compressed: inflated front to back, members one after another.
//
// Keeps the last kWindow inflated bytes, so that a reader that goes on at the start of a line it saw
// half of costs nothing; further back it inflates from the beginning again. Bytes behind the last
// whole member that are no gzip header are ignored, as gzip does.

#include "agent/log_file.h"

namespace logtail::agent {

class GzipLogFile final : public LogFile {
 public:
  GzipLogFile(int fd, uint64_t inode, std::string path);
  ~GzipLogFile() override;

  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override;
  std::optional<uint64_t> size() const override { return std::nullopt; }
  bool isGzip() const override { return true; }

  static constexpr size_t kWindow = 512 * 1024;

 private:
  struct Inflater;
  base::Status inflateMore();
  base::Status startMember();
  bool refill();

  const std::string path_;
  std::unique_ptr<Inflater> inflater_;  // null until the first read
};

}  // namespace logtail::agent
