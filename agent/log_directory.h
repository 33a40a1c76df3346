#pragma once
// One container's log directory: which files of one restart it holds, oldest first.
//
// Names (kubelet and containerd): `<n>.log` is written to now, `<n>.log.<YYYYMMDD-HHMMSS>` was
// rotated, `….gz` is its compressed copy; `.tmp` is one in the making and ignored, as is every
// other name. Source: k8s.io/kubernetes pkg/kubelet/logs/container_log_manager.go. logrotate's
// `<n>.log.1` is read, too: the higher the number, the older.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace logtail::agent {

enum class LogFileKind : uint8_t { kCurrent, kRotated, kGzip };

struct ListedLogFile {
  LogFileKind kind = LogFileKind::kCurrent;
  std::string path;
  std::string timestamp;  // of the rotation (or its number); empty for the current file
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t modifiedNanos = 0;
};

// Regular files only, oldest rotation first, the current one last. Of a rotated file and its
// compressed copy only the plain one is listed. kNotFound when the directory is gone, kFixInput
// when it is a symbolic link or no directory.
base::Result<std::vector<ListedLogFile>> listLogDirectory(const std::string& directory,
                                                          uint32_t restart);

}  // namespace logtail::agent
