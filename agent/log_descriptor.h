#pragma once
// The open descriptor of a file in a log directory, closed when it dies. Owned by one LogFile.

#include <cstddef>
#include <cstdint>
#include <limits>

namespace logtail::agent {

// How many log files a worker may have open, and has. Its thread only; outlives the files.
struct DescriptorQuota {
  size_t limit = std::numeric_limits<size_t>::max();
  size_t used = 0;
  bool full() const { return used >= limit; }
};

class LogDescriptor {
 public:
  LogDescriptor(int fd, DescriptorQuota* quota) : fd_(fd), quota_(quota) {
    if (quota_ != nullptr) ++quota_->used;
  }
  ~LogDescriptor();
  LogDescriptor(const LogDescriptor&) = delete;
  LogDescriptor& operator=(const LogDescriptor&) = delete;

  int fd() const { return fd_; }
  int duplicate() const;  // -1 when there is none left
  bool isDeleted() const;
  uint64_t diskBytes() const;

 private:
  const int fd_;
  DescriptorQuota* const quota_;
};

}  // namespace logtail::agent
