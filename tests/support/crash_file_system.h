#pragma once
// A file system in memory whose machine can crash: base::FileSystem for tests of everything
// durable.
//
// Flow: a test's workload -> CrashFileSystem -> crash(seed) -> the file system after the reboot, on
// which the code under test recovers. What a crash keeps: crash_file_data.h (bytes, sizes) and
// crash_names.h (names); seed 0 keeps nothing that was not synced, seed 1 everything, every other
// seed a chance subset. Files are open across nothing: handles of the old system know nothing of
// the new one.
//
// The usual loop, "crash after operation 0, 1, 2 … until the workload gets through":
//   for (uint64_t n = 0;; ++n) {
//     CrashFileSystem fs;
//     fs.crashAfterOperation(n);
//     workload(fs);
//     for (uint64_t seed = 0; seed < 8; ++seed) check(*fs.crash(seed));
//     if (!fs.crashed()) break;
//   }
//
// Thread: any; hooks run under the lock and must not call the file system. Handles may outlive it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"

namespace logtail::test {

enum class OpKind : uint8_t {
  kCreate,  // open() that creates the file
  kWrite,
  kTruncate,
  kAllocate,
  kSyncData,
  kRename,
  kRemove,
  kCreateDirectories,  // that creates at least one; durable when it returns
  kSyncDirectory,
  kRead,  // readAt(); the only one that changes nothing and is not counted in operations()
};
const char* name(OpKind kind);

struct Operation {
  OpKind kind = OpKind::kWrite;
  std::string path;  // of a rename: the old name; of a file's operation: the name it was opened by
  std::string target;   // of a rename: the new name
  uint64_t number = 0;  // of this kind, from 0 (ignored syncs are counted too)
};

class CrashFileSystem final : public base::FileSystem {
 public:
  // `clock` gives modification times and must outlive this and what crash() returns; without one
  // they are counted up, so that later changes have later times.
  explicit CrashFileSystem(const base::Clock* clock = nullptr);
  ~CrashFileSystem() override;

  base::Result<std::unique_ptr<base::File>> open(const std::string& path,
                                                 base::OpenMode mode) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status remove(const std::string& path) override;
  base::Status createDirectories(const std::string& path) override;
  base::Status syncDirectory(const std::string& path) override;
  // In an order that only the number of operations before it decides, as threads would; each is an
  // operation of its own: it may fail, and the machine may stop between any two.
  std::vector<base::Status> syncAll(std::span<base::File* const> files) override;
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  base::Result<base::FileInfo> info(const std::string& path) override;
  base::Result<base::SpaceInfo> space(const std::string& path) override;

  // What a reboot finds if the machine stops now. This file system is not changed: one state can be
  // crashed with many seeds. Inodes, capacity and clock are kept, faults and hooks are not.
  std::unique_ptr<CrashFileSystem> crash(uint64_t seed) const;

  // The next `n` changing operations go through; from then on everything fails with kStop.
  void crashAfterOperation(uint64_t n);
  bool crashed() const;         // an operation was refused for it
  uint64_t operations() const;  // changing ones so far, refused ones not
  uint64_t count(OpKind kind) const;

  // The nth (0: the next) operation of the kind fails with `code`. A failed write has written a
  // part; a failed syncData leaves its data in doubt for good, although later ones return ok, as on
  // Linux; other failed operations changed nothing. Several faults may wait.
  void failNth(OpKind kind, uint64_t nth, base::Errc code);
  // Fails every operation for which `decide` gives a code; nullptr ends it.
  using Decide = std::function<std::optional<base::Errc>(const Operation&)>;
  void failWhen(Decide decide);

  // syncData and syncDirectory for which `ignore` says so return ok and make nothing durable: shows
  // that a test notices when this very sync is missing. nullptr ends it.
  using Ignore = std::function<bool(const std::string& path, bool isDirectory)>;
  void ignoreSyncs(Ignore ignore);

  // Sees every changing operation before it runs, for traces; nullptr ends it.
  void observe(std::function<void(const Operation&)> observer);

  // Room for file data in whole pages; beyond it writes, allocations and creations fail with
  // kPushBack (a write may have written a part). 0: without limit, the default.
  void setCapacity(uint64_t bytes);
  uint64_t usedBytes() const;

 private:
  class Disk;
  class Handle;
  explicit CrashFileSystem(std::shared_ptr<Disk> disk);

  std::shared_ptr<Disk> disk_;
};

}  // namespace logtail::test
