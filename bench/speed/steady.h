#pragma once
// What the agent takes at rest and under a steady, moderate load, and how soon lines are durable.

#include <string>

namespace logtail::bench {

struct SteadyRun {
  bool ok = false;
  std::string why;
  double cpuShare = 0;      // of one core, of the agent
  double rssMegabytes = 0;  // of the agent, at the end
  double p50Millis = 0;  // write() to durable, of each frame's oldest line; upper bounds of buckets
  double p99Millis = 0;
};

// `pods` pods that write `rate` lines a second in all, for `seconds`; rate 0: idle after a few
// lines each.
SteadyRun runSteady(const std::string& binDirectory, const std::string& workDirectory,
                    unsigned pods, unsigned rate, unsigned seconds);

}  // namespace logtail::bench
