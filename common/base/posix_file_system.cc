#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "common/base/file_system.h"

namespace logtail::base {
namespace {

constexpr size_t kMaxParts = 512;  // of one pwritev; below every IOV_MAX
// Threads that sync at one time: the file system makes one journal commit and one disk flush of all
// that wait. More threads gain little and keep the queue's own sync waiting (docs/outputs/file.md,
// "Thousands of files").
constexpr size_t kSyncThreads = 16;
constexpr size_t kSyncsEach = 4;  // below that a thread costs more than it saves

FileInfo toInfo(const struct stat& st) {
  FileInfo info;
  info.size = static_cast<uint64_t>(st.st_size);
  info.inode = st.st_ino;
  info.device = st.st_dev;
  info.modifiedNanos = st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec;
  info.isDirectory = S_ISDIR(st.st_mode);
  return info;
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { ::close(fd_); }

  Result<size_t> readAt(uint64_t offset, std::span<char> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t n =
          ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errnoError(errno, "read " + path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }

  Status writeAt(uint64_t offset, std::span<const std::string_view> parts) override {
    std::vector<iovec> vectors;
    vectors.reserve(std::min(parts.size(), kMaxParts));
    size_t next = 0;
    while (next < parts.size()) {
      vectors.clear();
      size_t bytes = 0;
      for (; next < parts.size() && vectors.size() < kMaxParts; ++next) {
        if (parts[next].empty()) continue;
        vectors.push_back({const_cast<char*>(parts[next].data()), parts[next].size()});
        bytes += parts[next].size();
      }
      LOGTAIL_TRY(writeVectors(offset, vectors));
      offset += bytes;
    }
    return {};
  }

  Status syncData() override {
    if (::fdatasync(fd_) != 0)
      return Status(Errc::kStop, errnoError(errno, "fdatasync " + path_).message);
    return {};
  }

  Status truncate(uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
      return errnoError(errno, "truncate " + path_);
    return {};
  }

  Status allocate(uint64_t size) override {
    const int failed = ::posix_fallocate(fd_, 0, static_cast<off_t>(size));
    if (failed != 0) return errnoError(failed, "allocate " + path_);
    return {};
  }

  Result<FileInfo> info() override {
    struct stat st;
    if (::fstat(fd_, &st) != 0) return errnoError(errno, "stat " + path_);
    return toInfo(st);
  }

 private:
  Status writeVectors(uint64_t offset, std::vector<iovec>& vectors) {
    size_t first = 0;
    while (first < vectors.size()) {
      const ssize_t n =
          ::pwritev(fd_, vectors.data() + first, static_cast<int>(vectors.size() - first),
                    static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errnoError(errno, "write " + path_);
      offset += static_cast<uint64_t>(n);
      auto left = static_cast<size_t>(n);
      while (first < vectors.size() && left >= vectors[first].iov_len)
        left -= vectors[first++].iov_len;
      if (left > 0) {
        vectors[first].iov_base = static_cast<char*>(vectors[first].iov_base) + left;
        vectors[first].iov_len -= left;
      }
    }
    return {};
  }

  int fd_;
  std::string path_;
};

// One after another, as many at a time as there are callers.
void syncFrom(std::atomic<size_t>& next, std::span<File* const> files, std::span<Status> answers) {
  for (size_t i = next++; i < files.size(); i = next++) answers[i] = files[i]->syncData();
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY | O_NONBLOCK | O_NOCTTY;  // a named pipe must not hang who opens it
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreate:
        flags |= O_RDWR | O_CREAT;
        break;
      case OpenMode::kCreateExclusive:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
    }
    const int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0 && errno == EEXIST) return Error{Errc::kFixInput, "open " + path + ": exists"};
    if (fd < 0) return errnoError(errno, "open " + path);
    auto file = std::make_unique<PosixFile>(fd, path);
    struct stat st;
    if (::fstat(fd, &st) != 0) return errnoError(errno, "stat " + path);
    if (!S_ISREG(st.st_mode)) return Error{Errc::kFixInput, "open " + path + ": no regular file"};
    return std::unique_ptr<File>(std::move(file));
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return errnoError(errno, "rename " + from + " to " + to);
    return {};
  }

  Status remove(const std::string& path) override {
    if (std::remove(path.c_str()) != 0) return errnoError(errno, "remove " + path);
    return {};
  }

  // That a directory is there does not say that its name is durable: the sync of an earlier call
  // may have failed, or the process that made it was killed before its sync. So a name is synced
  // once by this process, whoever made it.
  Status createDirectories(const std::string& path) override {
    const auto before = info(path);
    if (before.ok() && !before->isDirectory) {
      return {Errc::kFixInput, path + ": is not a directory"};
    }
    if (before.ok() && isKnownDurable(path, *before)) return {};
    const std::string parent = directoryOf(path);
    if (parent != path) LOGTAIL_TRY(createDirectories(parent));
    const bool made = ::mkdir(path.c_str(), 0700) == 0;
    if (!made && errno != EEXIST) return errnoError(errno, "mkdir " + path);
    const SyncResult synced = trySync(parent);
    if (synced.errnoValue == 0 || (!made && synced.isImpossible())) {
      if (const auto now = info(path); now.ok()) noteDurable(path, *now);
      return {};
    }
    // A second sync may succeed without writing what the first one did not: made anew, it is dirty
    // again.
    if (made) ::rmdir(path.c_str());
    return synced.error(parent);
  }

  Status syncDirectory(const std::string& path) override {
    const SyncResult synced = trySync(path);
    if (synced.errnoValue != 0) return synced.error(path);
    return {};
  }

  std::vector<Status> syncAll(std::span<File* const> files) override {
    std::vector<Status> answers(files.size());
    std::atomic<size_t> next{0};
    std::vector<std::thread> threads;
    const size_t wanted = std::min(files.size() / kSyncsEach, kSyncThreads);
    try {
      while (threads.size() + 1 < wanted) {
        threads.emplace_back([&] { syncFrom(next, files, answers); });
      }
    } catch (const std::system_error&) {
      // No more threads to be had: those that are there do it, this one at least.
    }
    syncFrom(next, files, answers);
    for (std::thread& thread : threads) thread.join();
    return answers;
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return errnoError(errno, "list " + path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int failed = errno;
    ::closedir(directory);
    if (failed != 0) return errnoError(failed, "list " + path);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<FileInfo> info(const std::string& path) override {
    struct stat st;
    if (::stat(path.c_str(), &st) != 0) return errnoError(errno, "stat " + path);
    return toInfo(st);
  }

  Result<SpaceInfo> space(const std::string& path) override {
    struct statvfs st;
    if (::statvfs(path.c_str(), &st) != 0) return errnoError(errno, "statvfs " + path);
    return SpaceInfo{st.f_blocks * st.f_frsize, st.f_bavail * st.f_frsize};
  }

 private:
  struct SyncResult {
    int errnoValue = 0;
    bool opened = false;

    // Not readable by this user, or of a kind that knows no sync: of its entries nobody but who
    // made them can say more.
    bool isImpossible() const {
      return errnoValue == EINVAL || errnoValue == ENOTSUP || errnoValue == EROFS ||
             (!opened && errnoValue == EACCES);
    }
    Error error(const std::string& path) const {
      if (!opened) return errnoError(errnoValue, "open " + path);
      return {Errc::kStop, errnoError(errnoValue, "fsync " + path).message};
    }
  };

  static SyncResult trySync(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return {errno, false};
    const int failed = ::fsync(fd) == 0 ? 0 : errno;
    ::close(fd);
    return {failed, true};
  }

  bool isKnownDurable(const std::string& path, const FileInfo& now) {
    const std::lock_guard lock(mutex_);
    const auto known = durable_.find(path);
    return known != durable_.end() && known->second == std::pair(now.device, now.inode);
  }

  void noteDurable(const std::string& path, const FileInfo& now) {
    constexpr size_t kMost = 16'384;  // forgotten ones are synced again
    const std::lock_guard lock(mutex_);
    if (durable_.size() >= kMost) durable_.clear();
    durable_[path] = {now.device, now.inode};
  }

  std::mutex mutex_;
  std::map<std::string, std::pair<uint64_t, uint64_t>> durable_;  // directories; device, inode
};

}  // namespace

FileSystem& posixFileSystem() {
  static PosixFileSystem fs;
  return fs;
}

}  // namespace logtail::base
