#pragma once
// Keeps two processes out of one directory: a second writer would damage what the first one keeps.
//
// Held from acquire() to destruction, and let go by the kernel when the process dies, however it
// dies. Owned by main, which takes it before anything in the directory is touched. Local file
// systems (flock).

#include <string>

#include "common/base/result.h"

namespace logtail::base {

class DirectoryLock {
 public:
  // Creates the directory when it is absent. kFixInput when another process has the lock.
  static Result<DirectoryLock> acquire(const std::string& directory);
  DirectoryLock(DirectoryLock&& other) noexcept;
  DirectoryLock& operator=(DirectoryLock&&) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace logtail::base
