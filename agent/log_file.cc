#include "agent/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/gzip_log_file.h"

namespace logtail::agent {
namespace {

class PlainLogFile final : public LogFile {
 public:
  PlainLogFile(int fd, uint64_t inode, std::string path)
      : LogFile(fd, inode), path_(std::move(path)) {}

  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n = ::pread(fd_.fd, into.data() + done, into.size() - done,
                                static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return base::errnoError(errno, "read " + path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
      // A short answer is the end of the file: asking again would only cost a call.
      break;
    }
    return done;
  }

  std::optional<uint64_t> size() const override {
    struct stat st;
    if (::fstat(fd_.fd, &st) != 0) return std::nullopt;
    return static_cast<uint64_t>(st.st_size);
  }

  bool isGzip() const override { return false; }

 private:
  const std::string path_;
};

}  // namespace

LogFile::Descriptor::~Descriptor() { ::close(fd); }

bool LogFile::isDeleted() const {
  struct stat st;
  return ::fstat(fd_.fd, &st) == 0 && st.st_nlink == 0;
}

base::Result<std::unique_ptr<LogFile>> LogFile::open(const std::string& path) {
  // O_NONBLOCK: a named pipe in place of a log must not hang the worker.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return base::errnoError(errno, "open " + path);
  struct stat st;
  const int failed = ::fstat(fd, &st) == 0 ? 0 : errno;
  if (failed != 0 || !S_ISREG(st.st_mode)) {
    ::close(fd);
    if (failed != 0) return base::errnoError(failed, "stat " + path);
    return base::Error{base::Errc::kFixInput, path + ": no regular file"};
  }
  if (path.ends_with(".gz")) {
    return std::unique_ptr<LogFile>(std::make_unique<GzipLogFile>(fd, st.st_ino, path));
  }
  return std::unique_ptr<LogFile>(std::make_unique<PlainLogFile>(fd, st.st_ino, path));
}

}  // namespace logtail::agent
