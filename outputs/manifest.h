#pragma once
// An output's cursor: an append-only log whose commits hold queue position, files and counts.
//
// Flow: FileOutput or OutputRunner -> commit() -> DATA/outputs/<id>/manifest.<n>. Starts over in a
// new file by temporary file, sync, rename, directory sync; the one before is kept, for what damage
// may take of the new one. Owned by the output's thread; progress() from any thread.
// After a failed call nothing may be written until load() and begin() went through again: a
// descriptor whose sync failed is never used again (invariant 9).
// Once commit() returned ok, load() finds it after every crash.

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "outputs/manifest_format.h"

namespace logtail::outputs {

// What a commit changes.
struct ManifestChange {
  std::optional<wal::Position> position;
  std::vector<FileEntry> files;
  CountsMap counts;  // added to what is there
  std::vector<event::StreamKey> forget;
};

class Manifest {
 public:
  Manifest(base::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  // Reads what is there; changes nothing on disk. kTooNew: a newer version's, leave it alone.
  base::Result<ManifestState> load(ManifestReport& report);
  // Writes `state` to a new manifest, which is appended to from then on.
  base::Status begin(ManifestState state);

  // Names files before they are created, so that a start can remove those no commit took over.
  base::Status announce(const std::vector<std::string>& paths);
  base::Status commit(const ManifestChange& change);

  Progress progress() const;
  std::optional<wal::Position> position() const;

  // Tests make it small.
  void setCompactAt(uint64_t bytes) { compactAt_ = bytes; }

  // The durable position and counts of an output that does not run; nothing when it never ran.
  static base::Result<Progress> read(base::FileSystem& files, const std::string& directory);

 private:
  static constexpr size_t kEntriesEach = 64;  // of a snapshot record
  static constexpr uint64_t kCompactBytes = 4 * 1024 * 1024;

  std::string pathOf(uint64_t number) const;
  base::Result<std::vector<uint64_t>> numbers() const;  // newest first
  base::Status writeSnapshot();
  void removeOld();
  base::Status append(std::string_view bytes);
  CommitRecord recordFor(const ManifestChange& change) const;

  base::FileSystem& files_;
  const std::string directory_;
  std::unique_ptr<base::File> file_;  // absent after a failure
  std::string why_ = "it was never begun";
  uint64_t fileNumber_ = 0;
  uint64_t end_ = 0;  // of file_
  uint64_t snapshotBytes_ = 0;
  uint64_t compactAt_ = kCompactBytes;
  mutable std::mutex mutex_;  // guards state_ against progress()
  ManifestState state_;
  CommitRecord last_;  // repeated by the next commit
};

}  // namespace logtail::outputs
