#include "tests/support/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace logtail::test {

using base::errnoError;
using base::Result;
using base::Status;

namespace {

std::string sizeOption(uint64_t bytes) {
  return "size=" + std::to_string(bytes) + ",mode=0700";
}

// Once: what is mounted from now on is this process's and its children's.
Status ownNamespace() {
  static const int kFailed = [] {
    if (::unshare(CLONE_NEWNS) != 0) return errno;
    return ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 0 : errno;
  }();
  return kFailed == 0 ? Status() : Status(errnoError(kFailed, "a mount namespace"));
}

}  // namespace

Result<std::unique_ptr<SmallDisk>> SmallDisk::make(const std::string& directory, uint64_t bytes) {
  LOGTAIL_TRY(ownNamespace());
  std::filesystem::create_directories(directory);
  const std::string options = sizeOption(bytes);
  if (::mount("none", directory.c_str(), "tmpfs", MS_NOSUID, options.c_str()) != 0) {
    return errnoError(errno, "a tmpfs on " + directory);
  }
  return std::unique_ptr<SmallDisk>(new SmallDisk(directory));
}

SmallDisk::~SmallDisk() {
  ::umount2(directory_.c_str(), MNT_DETACH);
}

Status SmallDisk::fill() {
  const int fd = ::open(ballast().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0 && errno == ENOSPC) return {};
  if (fd < 0) return errnoError(errno, "open " + ballast());
  const std::string chunk(64 * 1024, 'b');
  ssize_t written = 0;
  while ((written = ::write(fd, chunk.data(), chunk.size())) > 0) {
  }
  const int failed = errno;
  ::close(fd);
  if (failed == ENOSPC) return {};
  return errnoError(failed, "write " + ballast());
}

Status SmallDisk::makeRoom(uint64_t newBytes) {
  if (::unlink(ballast().c_str()) != 0 && errno != ENOENT) {
    return errnoError(errno, "unlink " + ballast());
  }
  const std::string options = sizeOption(newBytes);
  if (::mount("none", directory_.c_str(), nullptr, MS_REMOUNT | MS_NOSUID, options.c_str()) != 0) {
    return errnoError(errno, "a larger tmpfs on " + directory_);
  }
  return {};
}

}  // namespace logtail::test
