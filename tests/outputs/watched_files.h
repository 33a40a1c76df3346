#pragma once
// A file system that remembers what an output did with its files, for tests that have to tell one
// sync of the code from another.
//
// Flow: FileOutput -> WatchedFiles -> CrashFileSystem. The one below must outlive it. Thread: one.

#include <memory>
#include <set>
#include <string>

#include "common/base/file_system.h"

namespace logtail::outputs {

class WatchedFiles final : public base::FileSystem {
 public:
  explicit WatchedFiles(base::FileSystem& below);
  ~WatchedFiles() override;

  base::Result<std::unique_ptr<base::File>> open(const std::string& path,
                                                 base::OpenMode mode) override;
  base::Status rename(const std::string& from, const std::string& to) override;
  base::Status remove(const std::string& path) override;
  base::Status createDirectories(const std::string& path) override;
  base::Status syncDirectory(const std::string& path) override;
  std::vector<base::Status> syncAll(std::span<base::File* const> files) override;
  base::Result<std::vector<std::string>> list(const std::string& path) override;
  base::Result<base::FileInfo> info(const std::string& path) override;
  base::Result<base::SpaceInfo> space(const std::string& path) override;

  // Was written to through this object.
  bool wroteTo(const std::string& path) const { return seen_->written.contains(path); }
  // The newest record that went to a manifest only named files.
  bool announcing() const { return seen_->announcing; }
  // Handles that were closed with writes no sync had followed.
  uint64_t closedUnsynced() const { return seen_->closedUnsynced; }
  uint64_t opened() const { return seen_->opened; }
  // Most handles that were open at one time.
  uint64_t mostOpen() const { return seen_->mostOpen; }

 private:
  class Handle;
  struct Seen {
    std::set<std::string> written;
    bool announcing = false;
    uint64_t closedUnsynced = 0;
    uint64_t opened = 0;
    uint64_t open = 0;
    uint64_t mostOpen = 0;
  };

  base::FileSystem& below_;
  std::shared_ptr<Seen> seen_;  // with each handle too
};

}  // namespace logtail::outputs
