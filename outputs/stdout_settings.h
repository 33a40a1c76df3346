#pragma once
// Configuration of `type: stdout` (docs/outputs/stdout.md).

#include "outputs/settings.h"

namespace logtail::outputs {

enum class StdoutFormat : uint8_t { kText, kRaw, kJson };
enum class Color : uint8_t { kAuto, kAlways, kNever };

struct StdoutSettings : OutputSettings {
  StdoutFormat format = StdoutFormat::kText;
  Color color = Color::kAuto;
  bool timestamps = false;
  bool dedot = true;

  // One block of the shortest lines, every byte of them escaped.
  uint64_t memoryBytes() const override { return 16 << 20; }
};

const config::Table<StdoutSettings>& stdoutSettingsTable();

}  // namespace logtail::outputs
