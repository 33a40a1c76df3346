#include "common/config/config.h"

namespace logtail::config {

base::Result<std::string> readConfigFile(base::FileSystem& files, const std::string& path) {
  auto bytes = base::readFile(files, path, kMaxFileSize.count);
  if (bytes) return bytes;
  return configError(
      path, 1, "", path,
      "a readable file of at most " + base::formatBytes(kMaxFileSize) + "; " + bytes.message());
}

}  // namespace logtail::config
