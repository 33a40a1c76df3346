#include "bench/podcheck/check.h"

#include "bench/podcheck/result_file.h"

namespace logtail::bench {

base::Result<CheckReport> checkDelivery(const std::string& root, const std::string& results,
                                        const CheckOptions& options) {
  auto written = readManifest(root);
  if (!written.ok()) return written.error();
  auto files = resultFiles(results);
  if (!files.ok()) return files.error();
  DeliveryCheck check(*written, options);
  for (const std::string& path : *files) {
    check.beginFile(path);
    const base::Status read = readLines(path, [&](std::string& line) { check.record(line); });
    if (!read.ok()) check.unreadable(read.message());
  }
  return check.finish();
}

}  // namespace logtail::bench
