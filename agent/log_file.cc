#include "agent/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/gzip_log_file.h"
#include "agent/log_descriptor.h"

namespace logtail::agent {
namespace {

constexpr uint64_t kStatBlock = 512;  // the unit of st_blocks

class PlainLogFile final : public LogFile {
 public:
  PlainLogFile(int fd, uint64_t inode, DescriptorQuota* quota) : LogFile(inode), file_(fd, quota) {}

  // One call: a short answer of a regular file is its end, and the next turn asks again anyway.
  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override {
    for (;;) {
      const ssize_t n = ::pread(file_.fd(), into.data(), into.size(), static_cast<off_t>(offset));
      if (n >= 0) return static_cast<size_t>(n);
      if (errno != EINTR)
        return base::errnoError(errno, "read log inode " + std::to_string(inode()));
    }
  }

  std::optional<uint64_t> size() const override {
    struct stat st;
    if (::fstat(file_.fd(), &st) != 0) return std::nullopt;
    return static_cast<uint64_t>(st.st_size);
  }
  bool isDeleted() const override { return file_.isDeleted(); }
  uint64_t diskBytes() const override { return file_.diskBytes(); }
  std::unique_ptr<LogFile> duplicate() const override {
    const int fd = file_.duplicate();
    if (fd < 0) return nullptr;
    return std::make_unique<PlainLogFile>(fd, inode(), nullptr);
  }

 private:
  const LogDescriptor file_;  // and no path: 10,000 of them are open
};

// Without updates of the access time, which cost a write of the inode now and then, if the file is
// ours to say so.
int openLog(const std::string& path) {
  // O_NONBLOCK: a named pipe in place of a log must not hang the worker.
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
  const int fd = ::open(path.c_str(), kFlags | O_NOATIME);
  return fd < 0 && errno == EPERM ? ::open(path.c_str(), kFlags) : fd;
}

}  // namespace

LogDescriptor::~LogDescriptor() {
  if (quota_ != nullptr) --quota_->used;
  ::close(fd_);
}

int LogDescriptor::duplicate() const {
  return ::fcntl(fd_, F_DUPFD_CLOEXEC, 0);
}

bool LogDescriptor::isDeleted() const {
  struct stat st;
  return ::fstat(fd_, &st) == 0 && st.st_nlink == 0;
}

uint64_t LogDescriptor::diskBytes() const {
  struct stat st;
  return ::fstat(fd_, &st) == 0 ? static_cast<uint64_t>(st.st_blocks) * kStatBlock : 0;
}

base::Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path, InflaterPool* pool,
                                                     DescriptorQuota* quota) {
  if (quota != nullptr && quota->full()) {
    return base::Error{base::Errc::kPushBack, path + ": as many files are open as may be"};
  }
  const int fd = openLog(path);
  if (fd < 0 && errno == ELOOP) {
    return base::Error{base::Errc::kFixInput, path + ": a symbolic link, not followed"};
  }
  if (fd < 0) return base::errnoError(errno, "open " + path);
  struct stat st;
  const int failed = ::fstat(fd, &st) == 0 ? 0 : errno;
  if (failed != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    if (failed != 0) return base::errnoError(failed, "stat " + path);
    return base::Error{base::Errc::kFixInput, path + ": no regular file"};
  }
  // A hint only: the kernel reads further ahead.
  (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  if (path.ends_with(".gz")) {
    return std::unique_ptr<LogFile>(
        std::make_unique<GzipLogFile>(fd, st.st_ino, path, pool, quota));
  }
  return std::unique_ptr<LogFile>(std::make_unique<PlainLogFile>(fd, st.st_ino, quota));
}

}  // namespace logtail::agent
