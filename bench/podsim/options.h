#pragma once
// What podsim is asked to write. One struct, filled by the command line or by a test.

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace logtail::bench {

struct PodsimOptions {
  std::string root;  // pods/ and containers/ go below it
  uint32_t pods = 10;
  uint32_t containers = 1;  // of each pod
  uint32_t namespaces = 3;
  double rate = 1000;  // lines a second over all containers; 0: as fast as the machine does
  std::chrono::nanoseconds duration{0};  // 0: until SIGTERM
  uint64_t lines = 0;                    // stops after about as many; 0: no limit
  uint64_t lineBytesMin = 80;            // of the message; raised to what its fields take
  uint64_t lineBytesMax = 400;
  uint32_t mixText = 60;  // shares of the three shapes
  uint32_t mixJson = 30;
  uint32_t mixMultiline = 10;
  double partialFraction = 0.002;  // of lines longer than `partBytes`
  uint64_t partBytes = 16 * 1024;  // containerd's max_container_log_line_size
  double stderrFraction = 0.2;
  uint64_t rotateBytes = 10 * 1024 * 1024;
  std::chrono::nanoseconds rotateEvery{0};  // also by age; 0: by size alone
  uint32_t keep = 5;                        // files of a container, the current one included
  bool gzip = true;
  std::chrono::nanoseconds restartEvery{0};  // of each container; 0: never
  uint32_t shortLived = 0;                   // pods that live 100 ms, spread over the run
  uint64_t seed = 1;
  uint64_t longLine = 0;  // one line of so many bytes, in the first container
  bool idle = false;      // a few lines each, then nothing
  bool resume = false;    // goes on with the containers of an earlier run, by its manifest
};

// kFixInput with what is wrong; an empty error message asks for help, which was then printed.
base::Result<PodsimOptions> parsePodsimOptions(int argc, const char* const* argv);

}  // namespace logtail::bench
