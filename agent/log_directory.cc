#include "agent/log_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <tuple>

namespace logtail::agent {
namespace {

// What `name` is to restart `stem` ("<n>.log"); nothing when it is none of its files.
std::optional<ListedLogFile> classify(std::string_view name, std::string_view stem) {
  if (!name.starts_with(stem)) return std::nullopt;
  std::string_view rest = name.substr(stem.size());
  ListedLogFile file;
  if (rest.empty()) return file;
  if (rest[0] != '.' || rest.ends_with(".tmp")) return std::nullopt;
  rest.remove_prefix(1);
  file.kind = LogFileKind::kRotated;
  if (rest.ends_with(".gz")) {
    file.kind = LogFileKind::kGzip;
    rest.remove_suffix(3);
  }
  const bool isTimestamp = !rest.empty() && std::all_of(rest.begin(), rest.end(), [](char c) {
    return (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
  if (!isTimestamp) return std::nullopt;
  file.timestamp = rest;
  return file;
}

bool older(const ListedLogFile& a, const ListedLogFile& b) {
  const bool aCurrent = a.kind == LogFileKind::kCurrent;
  const bool bCurrent = b.kind == LogFileKind::kCurrent;
  return std::tie(aCurrent, a.timestamp, a.modifiedNanos) <
         std::tie(bCurrent, b.timestamp, b.modifiedNanos);
}

}  // namespace

base::Result<std::vector<ListedLogFile>> listLogDirectory(const std::string& directory,
                                                          uint32_t restart) {
  DIR* opened = ::opendir(directory.c_str());
  if (opened == nullptr) return base::errnoError(errno, "list " + directory);
  const std::string stem = std::to_string(restart) + ".log";
  std::vector<ListedLogFile> files;
  while (const dirent* entry = ::readdir(opened)) {
    auto file = classify(entry->d_name, stem);
    struct stat st;
    if (!file || ::fstatat(::dirfd(opened), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(st.st_mode)) {
      continue;
    }
    file->path = directory + "/" + entry->d_name;
    file->inode = st.st_ino;
    file->size = static_cast<uint64_t>(st.st_size);
    file->modifiedNanos = st.st_mtim.tv_sec * 1'000'000'000LL + st.st_mtim.tv_nsec;
    files.push_back(std::move(*file));
  }
  ::closedir(opened);
  std::sort(files.begin(), files.end(), older);
  // The copy of a rotated file is there for a moment beside the file itself.
  std::erase_if(files, [&](const ListedLogFile& file) {
    return file.kind == LogFileKind::kGzip &&
           std::any_of(files.begin(), files.end(), [&](const ListedLogFile& other) {
             return other.kind == LogFileKind::kRotated && other.timestamp == file.timestamp;
           });
  });
  return files;
}

}  // namespace logtail::agent
