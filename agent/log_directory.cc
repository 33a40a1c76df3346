#include "agent/log_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>

namespace logtail::agent {
namespace {

constexpr int kListings = 8;      // of a directory that changes under them
constexpr size_t kMaxNumber = 4;  // digits of logrotate's suffix; dates have more

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

bool isNumber(std::string_view suffix) {
  return suffix.size() <= kMaxNumber && std::all_of(suffix.begin(), suffix.end(), isDigit);
}

// What `name` is to restart `stem` ("<n>.log"); nothing when it is none of its files.
std::optional<ListedLogFile> classify(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem)) return std::nullopt;
  std::string_view rest = name.substr(stem.size());
  ListedLogFile file;
  if (rest.empty()) return file;
  if (rest[0] != '.') return std::nullopt;
  rest.remove_prefix(1);
  file.kind = LogFileKind::kRotated;
  if (rest.ends_with(".gz")) {
    file.kind = LogFileKind::kGzip;
    rest.remove_suffix(3);
  }
  const bool isTimestamp = !rest.empty() && isDigit(rest.front()) &&
                           std::all_of(rest.begin(), rest.end(),
                                       [](char c) { return isDigit(c) || c == '-' || c == '.'; });
  if (!isTimestamp) return std::nullopt;
  file.timestamp = rest;
  return file;
}

// Sorts oldest first: numbered ones before dated ones, from the highest number down; the current
// file last; of one rotation the plain file before its copy.
bool older(const ListedLogFile& a, const ListedLogFile& b) {
  const auto key = [](const ListedLogFile& file) {
    const bool current = file.kind == LogFileKind::kCurrent;
    const bool dated = !current && !isNumber(file.timestamp);
    const int number = current || dated ? 0 : -std::stoi(file.timestamp);
    return std::tuple(current, dated, number);
  };
  return std::tuple(key(a), std::string_view(a.timestamp), a.kind, a.modifiedNanos) <
         std::tuple(key(b), std::string_view(b.timestamp), b.kind, b.modifiedNanos);
}

// Whether a listing is all of one moment. Renames and removals under a running readdir may hide a
// file under both of its names; a change moves the directory's time, whose clock ticks coarsely.
class Steadiness {
 public:
  explicit Steadiness(int fd) : fd_(fd), before_(modified()) {}
  // `gone`: a name was listed whose file was not there any more.
  bool isSteady(bool gone) const {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
    const int64_t after = modified();
    return !gone && after == before_ && nanos(now) - after > kTick;
  }

 private:
  static constexpr int64_t kTick = 20'000'000;
  static int64_t nanos(const timespec& t) { return t.tv_sec * 1'000'000'000LL + t.tv_nsec; }
  int64_t modified() const {
    struct stat st;
    return ::fstat(fd_, &st) == 0 ? nanos(st.st_mtim) : 0;
  }
  const int fd_;
  const int64_t before_;
};

struct Listing {
  std::vector<ListedLogFile> files;
  bool isSteady = false;
};

base::Result<Listing> listOnce(const std::string& directory, uint32_t restart) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) {
    return base::Error{base::Errc::kFixInput, directory + ": no directory"};
  }
  if (fd < 0) return base::errnoError(errno, "list " + directory);
  const std::unique_ptr<DIR, CloseDirectory> opened(::fdopendir(fd));
  if (opened == nullptr) {
    const int failed = errno;
    ::close(fd);
    return base::errnoError(failed, "list " + directory);
  }
  const std::string stem = std::to_string(restart) + ".log";
  const Steadiness steadiness(fd);
  std::vector<ListedLogFile> files;
  bool gone = false;
  errno = 0;
  while (const dirent* entry = ::readdir(opened.get())) {
    auto file = classify(entry->d_name, stem);
    struct stat st;
    const bool found = file && ::fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    gone = gone || (file && !found);
    if (found && S_ISREG(st.st_mode)) {
      file->path = directory + "/" + entry->d_name;
      file->inode = st.st_ino;
      file->size = static_cast<uint64_t>(st.st_size);
      file->modifiedNanos = st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec;
      files.push_back(std::move(*file));
    }
    errno = 0;
  }
  if (errno != 0) return base::errnoError(errno, "list " + directory);
  return Listing{std::move(files), steadiness.isSteady(gone)};
}

bool sameNames(const std::vector<ListedLogFile>& a, const std::vector<ListedLogFile>& b) {
  return std::is_permutation(
      a.begin(), a.end(), b.begin(), b.end(),
      [](const auto& x, const auto& y) { return x.inode == y.inode && x.path == y.path; });
}

}  // namespace

base::Result<std::vector<ListedLogFile>> listLogDirectory(const std::string& directory,
                                                          uint32_t restart) {
  auto listing = listOnce(directory, restart);
  if (!listing.ok()) return listing.error();
  for (int tries = 1; !listing->isSteady && tries < kListings; ++tries) {
    auto again = listOnce(directory, restart);
    if (!again.ok()) return again.error();
    const bool same = sameNames(listing->files, again->files);
    listing = std::move(again);
    if (same) break;
  }
  std::vector<ListedLogFile> files = std::move(listing->files);
  std::sort(files.begin(), files.end(), older);
  // A rotated file and its copy are there side by side for a moment: then the copy comes second.
  const auto end = std::unique(files.begin(), files.end(), [](const auto& a, const auto& b) {
    return b.kind == LogFileKind::kGzip && a.timestamp == b.timestamp;
  });
  files.erase(end, files.end());
  // Renamed between the reading of its two names: the rotated one is the later.
  if (files.size() > 1 && files.back().kind == LogFileKind::kCurrent &&
      std::any_of(files.begin(), files.end() - 1,
                  [&](const auto& file) { return file.inode == files.back().inode; })) {
    files.pop_back();
  }
  return files;
}

}  // namespace logtail::agent
