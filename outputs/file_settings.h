#pragma once
// Configuration of `type: file` (docs/outputs/file.md).

#include <chrono>
#include <string>

#include "common/base/units.h"
#include "outputs/settings.h"

namespace logtail::outputs {

enum class Compression : uint8_t { kNone, kZstd };

struct FileSettings : OutputSettings {
  std::string directory;
  std::string path = "{namespace}/{pod}_{container}.log";
  Compression compress = Compression::kNone;
  int level = 1;
  bool dedot = true;
  base::Bytes rotateSize{256 << 20};
  std::chrono::seconds rotateAge{24 * 3600};
  std::chrono::seconds closeIdle{3600};
  std::chrono::milliseconds commitAge{1000};
  base::Bytes commitSize{16 << 20};
  base::Bytes buffer{32 << 20};
  uint32_t openFiles = 256;
  uint32_t knownFiles = 16'384;

  uint64_t memoryBytes() const override { return buffer.count; }
};

const config::Table<FileSettings>& fileSettingsTable();

}  // namespace logtail::outputs
