#include "agent/disk_budget.h"

#include <algorithm>
#include <tuple>

namespace logtail::agent {
namespace {

uint64_t minFree(const base::SpaceInfo& space, uint32_t percent) {
  return space.totalBytes / 100 * percent;
}

void subtract(uint64_t& from, uint64_t bytes) {
  from -= std::min(from, bytes);
}

}  // namespace

DiskBudget::DiskBudget(base::FileSystem& files, std::string logPath, std::string statePath,
                       DiskLimits limits)
    : files_(files),
      logPath_(std::move(logPath)),
      statePath_(std::move(statePath)),
      limits_(limits) {}

std::vector<HeldGeneration> DiskBudget::decide(std::vector<HeldGeneration> held) {
  uint64_t bytes = 0;
  for (const HeldGeneration& generation : held) bytes += generation.diskBytes;
  uint64_t excess = bytes - std::min(bytes, limits_.maxBytes);
  const bool oneFileSystem = isOneFileSystem();
  uint64_t spoolShort = shortage(statePath_);
  uint64_t logsShort = oneFileSystem ? 0 : shortage(logPath_);

  std::sort(held.begin(), held.end(), [](const HeldGeneration& a, const HeldGeneration& b) {
    return std::tuple(a.unackedBytes > 0, a.rotatedNanos, a.id) <
           std::tuple(b.unackedBytes > 0, b.rotatedNanos, b.id);
  });
  std::vector<HeldGeneration> givenUp;
  for (const HeldGeneration& generation : held) {
    uint64_t& fileSystemShort = oneFileSystem || generation.isSpooled ? spoolShort : logsShort;
    if (generation.diskBytes == 0 || (excess == 0 && fileSystemShort == 0)) continue;
    subtract(excess, generation.diskBytes);
    subtract(fileSystemShort, generation.diskBytes);
    ++counts_.generations;
    counts_.lostBytes += generation.unackedBytes;
    counts_.freedBytes += generation.diskBytes;
    givenUp.push_back(generation);
  }
  return givenUp;
}

bool DiskBudget::mayCopy(uint64_t bytes, uint64_t heldBytes) {
  bool may = heldBytes <= limits_.maxBytes && bytes <= limits_.maxBytes - heldBytes;
  if (const auto space = files_.space(statePath_); may && space.ok()) {
    const uint64_t keep = minFree(*space, limits_.minFreePercent);
    may = space->availableBytes >= keep && bytes <= space->availableBytes - keep;
  }
  if (!may) ++counts_.refusedCopies;
  return may;
}

// Bytes that are missing to the free share of the file system of `path`.
uint64_t DiskBudget::shortage(const std::string& path) const {
  const auto space = files_.space(path);
  if (!space.ok()) return 0;
  const uint64_t keep = minFree(*space, limits_.minFreePercent);
  const uint64_t missing = keep - std::min(keep, space->availableBytes);
  return (missing + limits_.sharers - 1) / limits_.sharers;
}

bool DiskBudget::isOneFileSystem() const {
  const auto logs = files_.info(logPath_);
  const auto state = files_.info(statePath_);
  return logs.ok() && state.ok() && logs->device == state->device;
}

}  // namespace logtail::agent
