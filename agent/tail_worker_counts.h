#pragma once
// What /metrics and STATS read of a tail worker. Written by the worker's thread only, read by any.

#include <atomic>
#include <cstdint>

#include "common/base/clock.h"

namespace logtail::agent {

struct TailWorkerCounts {
  std::atomic<uint64_t> streams{0};
  std::atomic<uint64_t> readBytes{0};
  std::atomic<uint64_t> rereadBytes{0};
  std::atomic<uint64_t> records{0};
  std::atomic<uint64_t> recordBytes{0};
  std::atomic<uint64_t> dropBytes{0};
  std::atomic<uint64_t> dropRecords{0};
  std::atomic<uint64_t> cutAtLimit{0};
  std::atomic<uint64_t> cutForMemory{0};
  std::atomic<uint64_t> malformedLines{0};
  std::atomic<uint64_t> incompleteRecords{0};
  std::atomic<uint64_t> lostBytes{0};
  std::atomic<uint64_t> units{0};
  std::atomic<uint64_t> unitBytes{0};
  std::atomic<uint64_t> truncations{0};
  std::atomic<uint64_t> lateGenerations{0};
  std::atomic<uint64_t> unreadableFiles{0};
  std::atomic<uint64_t> malformedNames{0};
  std::atomic<uint64_t> overflows{0};
  std::atomic<uint64_t> unwatchedDirectories{0};
  std::atomic<uint64_t> blocked{0};
  std::atomic<uint64_t> givenUpBytes{0};

  // --- as they are now ---
  std::atomic<bool> rootWatched{false};  // containers/
  std::atomic<bool> scanned{false};      // once at least: every container then has its watch
  std::atomic<uint64_t> spoolBytes{0};
  std::atomic<base::Nanos> untilRotationLoss{base::Nanos::max()};  // max: no stream has one
  std::atomic<uint64_t> heldDeletedBytes{0};
  std::atomic<uint64_t> scannedDirectories{0};  // for want of watches
  std::atomic<bool> spoolFailing{false};        // the last copy that was due could not be made
  std::atomic<bool> diskLow{false};             // the last look had to give something up
  std::atomic<bool> memoryShort{false};         // reading waits for memory
};

}  // namespace logtail::agent
