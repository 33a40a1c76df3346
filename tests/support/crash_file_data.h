#pragma once
// One simulated file's bytes: what readers see now, what the disk surely holds, and what lies
// between.
//
// Flow: CrashFileSystem -> CrashFileData -> afterCrash() -> the rebooted CrashFileSystem.
// Between two syncs every 512-byte sector may be written back at any time, so after a crash each
// holds any one of the versions it had since the last sync. Sizes are journaled in their order: the
// crash shows the size after some prefix of the operations. A shrink frees blocks, so what was
// written behind it shows only if the shrink does. Bytes a grown file never got back are zeros or,
// unless they were reserved by allocate(), whatever the disk held.
// Thread: under its file system's mutex.

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/crash_dice.h"
#include "tests/support/sparse_bytes.h"

namespace logtail::test {

class CrashFileData {
 public:
  static constexpr uint64_t kSector = 512;

  uint64_t size() const { return size_; }
  size_t read(uint64_t offset, std::span<char> into) const;
  void write(uint64_t offset, std::string_view bytes);
  void truncate(uint64_t size);
  void allocate(uint64_t size);

  void sync();
  // As Linux does: the dirty pages are marked clean, so no later sync writes them; whether they
  // reached the disk shows only after a crash. Sizes stay pending.
  void failSync();
  bool dirty() const { return !events_.empty(); }

  CrashFileData afterCrash(CrashDice& dice) const;

  // Pages this file occupies, and how many more a write would.
  uint64_t storedPages() const;
  uint64_t pagesForWrite(uint64_t offset, uint64_t bytes) const;

 private:
  struct Event {
    bool shrink = false;
    uint64_t offset = 0;
    std::string bytes;
    uint64_t sizeAfter = 0;
  };
  using Sector = std::string;  // kSector bytes

  std::set<uint64_t> writtenSectors() const;
  Sector sectorAfter(const SparseBytes& base, uint64_t sector, uint64_t events) const;
  uint64_t pickVersion(uint64_t sector, uint64_t sizeEvents, CrashDice& dice) const;
  bool touches(const Event& event, uint64_t sector) const;
  uint64_t reservedPages() const {
    return (reserved_ + SparseBytes::kPage - 1) / SparseBytes::kPage;
  }

  SparseBytes now_;
  uint64_t size_ = 0;
  uint64_t reserved_ = 0;  // bytes [0, reserved_) have blocks of zeros
  SparseBytes durable_;
  uint64_t durableSize_ = 0;
  std::vector<Event> events_;            // since the last sync
  std::map<uint64_t, Sector> doubtful_;  // sectors a failed sync may or may not have written
};

}  // namespace logtail::test
