#include "bench/podsim/rotate_log.h"

#include <algorithm>

#include "bench/podsim/gzip_file.h"
#include "common/base/file_system.h"

namespace logtail::bench {

base::Result<std::vector<std::string>> rotatedFiles(const std::string& logPath) {
  base::FileSystem& fs = base::posixFileSystem();
  const std::string directory = base::directoryOf(logPath);
  const std::string prefix = logPath.substr(directory.size() + 1) + ".";
  auto names = fs.list(directory);
  if (!names.ok()) return names.error();
  std::vector<std::string> rotated;
  for (const std::string& name : *names) {
    if (!name.starts_with(prefix)) continue;
    const bool replaced = std::binary_search(names->begin(), names->end(), name + ".gz");
    if (!name.ends_with(".tmp") && !replaced) {
      rotated.push_back(directory + "/" + name);
    } else if (auto removed = fs.remove(directory + "/" + name); !removed.ok()) {
      return removed.error();
    }
  }
  return rotated;
}

base::Status rotateLog(const std::string& logPath, const std::string& suffix, uint32_t keep,
                       bool gzip) {
  auto rotated = rotatedFiles(logPath);
  if (!rotated.ok()) return rotated.error();
  // The current file and the one that it becomes stay besides.
  const size_t stay = keep - 2;
  size_t next = 0;
  for (; rotated->size() - next > stay; ++next) {
    LOGTAIL_TRY(base::posixFileSystem().remove((*rotated)[next]));
  }
  for (; gzip && next < rotated->size(); ++next) {
    if (!(*rotated)[next].ends_with(".gz")) LOGTAIL_TRY(gzipFile((*rotated)[next]));
  }
  return base::posixFileSystem().rename(logPath, logPath + "." + suffix);
}

}  // namespace logtail::bench
