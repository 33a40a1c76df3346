#include "bench/crash/node_scan.h"

#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "bench/podcheck/result_file.h"
#include "bench/podsim/line.h"

namespace logtail::bench {

using base::Errc;
using base::Result;
using base::Status;

namespace {

constexpr int kChunk = 256 * 1024;

struct CloseGzip {
  void operator()(gzFile_s* file) const { ::gzclose(file); }
};

void take(std::string_view physical, Floors& floors) {
  const size_t tag = physical.find(physical.find(" P ") < physical.find(" F ") ? " P " : " F ");
  if (tag == std::string_view::npos) return;
  LineId id;
  // Later parts of a line are foreign: only its first holds whose it is.
  if (checkLine(physical.substr(tag + 3), id) == LineCheck::kForeign) return;
  const StreamName stream{std::string(id.pod), std::string(id.container), id.restart, id.channel};
  const auto [at, isNew] = floors.emplace(stream, id.sequence);
  if (!isNew) at->second = std::min(at->second, id.sequence);
}

// gzread gives plain files as they are.
Status scan(const std::string& path, Floors& floors) {
  const std::unique_ptr<gzFile_s, CloseGzip> file(::gzopen(path.c_str(), "rb"));
  if (file == nullptr) return {Errc::kStop, "open " + path};
  std::string held;
  std::string chunk(kChunk, '\0');
  for (int n = 0; (n = ::gzread(file.get(), chunk.data(), kChunk)) != 0;) {
    if (n < 0) return {Errc::kQuarantine, path + " is damaged"};
    std::string_view left = std::string_view(chunk).substr(0, static_cast<size_t>(n));
    for (size_t end = 0; (end = left.find('\n')) != std::string_view::npos;) {
      held.append(left.substr(0, end));
      take(held, floors);
      held.clear();
      left.remove_prefix(end + 1);
    }
    held.append(left);
  }
  return {};
}

}  // namespace

Result<Floors> firstOnDisk(const std::string& root) {
  auto files = resultFiles(root + "/pods");
  if (!files.ok()) return files.error();
  Floors floors;
  for (const std::string& path : *files) {
    if (path.ends_with(".tmp")) continue;
    if (auto scanned = scan(path, floors); !scanned.ok()) return scanned.error();
  }
  return floors;
}

}  // namespace logtail::bench
