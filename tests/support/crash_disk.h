#pragma once
// What CrashFileSystem and its open handles share: inodes, names, faults, counters; one mutex.
// Private to crash_file_system.cc and crash_disk.cc.

#include <array>
#include <map>
#include <memory>
#include <mutex>

#include "tests/support/crash_file_data.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/crash_names.h"

namespace logtail::test {

class CrashFileSystem::Disk {
 public:
  static constexpr uint64_t kRoot = 2;
  static constexpr uint64_t kNoLimit = uint64_t{1} << 40;
  static constexpr size_t kKinds = static_cast<size_t>(OpKind::kRead) + 1;

  struct Inode {
    uint64_t number = 0;
    bool isDirectory = false;
    int64_t modifiedNanos = 0;
    uint32_t handles = 0;
    CrashFileData data;
  };
  using InodePtr = std::shared_ptr<Inode>;

  // Where a path leads: its parent directory and name, and the inode if there is one.
  struct Place {
    CrashNames::Key key;
    InodePtr inode;
  };

  explicit Disk(const base::Clock* clock);

  // All below: the caller holds `mutex`.
  base::Result<Place> find(const std::string& path) const;
  base::Result<InodePtr> existing(const std::string& path) const;
  InodePtr add(bool isDirectory);
  // Counts the operation, then refuses it after a crash or fails it by a planned fault.
  base::Status begin(OpKind kind, const std::string& path, const std::string& target = {});
  base::Status refuseAfterCrash() const;
  bool ignoresSync(const std::string& path, bool isDirectory) const;
  void touch(Inode& inode);
  base::FileInfo infoOf(const Inode& inode) const;
  uint64_t usedPages() const;
  bool hasRoomFor(uint64_t pages) const;
  void forgetUnreachable();
  std::shared_ptr<Disk> afterCrash(uint64_t seed) const;

  mutable std::mutex mutex;
  std::map<uint64_t, InodePtr> inodes;
  CrashNames names;
  uint64_t capacity = 0;
  std::optional<uint64_t> crashAt;  // number of changing operations that go through
  bool crashed = false;
  uint64_t operations = 0;
  std::array<uint64_t, kKinds> counts{};
  std::map<std::pair<OpKind, uint64_t>, base::Errc> faults;
  Decide decide;
  Ignore ignore;
  std::function<void(const Operation&)> observer;

 private:
  const base::Clock* clock_;
  uint64_t nextInode_ = kRoot;
  int64_t ticks_ = 0;
};

}  // namespace logtail::test
