#pragma once
// When which program is killed and started again: the same for the same seed. Pure.

#include <chrono>
#include <cstdint>
#include <vector>

#include "bench/crash/options.h"

namespace logtail::bench {

enum class Target : uint8_t { kAgent, kAggregator };

struct CrashEvent {
  enum class Kind : uint8_t { kKill, kStart, kDeleteState };
  std::chrono::milliseconds at{0};  // since podsim's start
  Target target = Target::kAgent;
  Kind kind = Kind::kKill;
};

// Sorted by time. A program is down for at most longestDown and up again before its next kill; both
// may be down at once. The state is deleted while the agent is down, nearest to the middle.
std::vector<CrashEvent> makeSchedule(const CrashOptions& options);

}  // namespace logtail::bench
