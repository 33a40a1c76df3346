#pragma once
// What one core of this machine can do at all, measured in the same run as what we make of it.
// Every figure is raw CRI bytes (or wire bytes, where said) and the CPU seconds, user and system,
// that went into them.

#include <cstdint>

#include "bench/speed/corpus.h"

namespace logtail::bench {

struct Figure {
  double bytes = 0;
  double cpuSeconds = 0;
  double megabytesPerSecond() const { return cpuSeconds > 0 ? bytes / 1e6 / cpuSeconds : 0; }
};

double threadCpuSeconds();

Figure limitPread(const Corpus& corpus);
Figure limitNewlines(const Corpus& corpus);  // memchr from line to line, in memory
Figure limitZstd(const Corpus& corpus);      // level 1, the messages in bodies of 256 KiB
// Wire bytes: one connection, recv into a buffer, CRC-32C, write to a file.
Figure limitReceive(const std::string& directory, uint64_t bytes, uint64_t unitBytes);
// Read, split, join, digest, gather; units thrown away.
Figure agentToNothing(const Corpus& corpus);

}  // namespace logtail::bench
