#pragma once
// The file output with thousands of files on a real disk, at a steady rate, beside a queue that
// syncs on the same disk: how long commits take, what they cost, how late lines are committed.

#include <cstdint>
#include <string>

namespace logtail::bench {

struct ManyTargets {
  std::string directory;  // emptied
  unsigned targets = 10'000;
  unsigned linesPerSecond = 20'000;
  unsigned seconds = 20;
  unsigned openFiles = 256;
  unsigned messageBytes = 200;
  bool oneByOne = false;  // syncs files one after another, to compare
};

// Prints; 1 when something failed.
int runManyTargets(const ManyTargets& options);

}  // namespace logtail::bench
