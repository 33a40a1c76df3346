#include "common/base/directory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "common/base/file_system.h"

namespace logtail::base {

Result<DirectoryLock> DirectoryLock::acquire(const std::string& directory) {
  LOGTAIL_TRY(posixFileSystem().createDirectories(directory));
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) return errnoError(errno, "open " + path);
  DirectoryLock lock(fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return errnoError(errno, "lock " + path);
  return Error{Errc::kFixInput, directory + ": another process uses this directory"};
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

DirectoryLock::~DirectoryLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace logtail::base
