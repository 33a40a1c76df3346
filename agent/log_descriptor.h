#pragma once
// The open descriptor of a file in a log directory, closed when it dies. Owned by one LogFile.

#include <cstdint>

namespace logtail::agent {

class LogDescriptor {
 public:
  explicit LogDescriptor(int fd) : fd_(fd) {}
  ~LogDescriptor();
  LogDescriptor(const LogDescriptor&) = delete;
  LogDescriptor& operator=(const LogDescriptor&) = delete;

  int fd() const { return fd_; }
  int duplicate() const;  // -1 when there is none left
  bool isDeleted() const;
  uint64_t diskBytes() const;

 private:
  const int fd_;
};

}  // namespace logtail::agent
