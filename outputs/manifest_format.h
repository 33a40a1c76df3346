#pragma once
// The manifest's bytes: records to a state and back. Pure; no files here.
// Format and what each damage costs: docs/outputs/file.md, "Manifest".

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "outputs/progress.h"

namespace logtail::outputs {

inline constexpr uint32_t kManifestVersion = 1;
inline constexpr size_t kManifestHeaderBytes = 24;
inline constexpr size_t kManifestRecordHeaderBytes = 16;

// A file as a commit knows it. Its path is filePath(target, number).
struct FileEntry {
  std::string target;  // path below the base directory, rotation left out
  uint32_t number = 0;
  uint64_t inode = 0;
  uint64_t length = 0;    // committed bytes
  uint64_t tailHash = 0;  // XXH3-64 of the last at most 4 KiB before `length`
  int64_t createdNanos = 0;
  bool closed = false;  // final: never written again, forgotten with this commit
  bool spent = false;   // never written again, but what may lie behind `length` is not cut yet
  bool operator==(const FileEntry&) const = default;
};

// "ns/pod.log", 2 -> "ns/pod_2.log"; the number goes before the extension (and before ".zst").
std::string filePath(const std::string& target, uint32_t number);

// What one commit says; counts are absolute.
struct CommitRecord {
  uint64_t number = 0;  // rises by one
  std::optional<wal::Position> position;
  StreamCounts forgotten;
  std::vector<FileEntry> files;
  std::vector<std::pair<event::StreamKey, StreamCounts>> counts;
  std::vector<event::StreamKey> forget;
};

struct ManifestState {
  uint64_t number = 0;  // of the last commit
  Progress progress;
  std::map<std::string, FileEntry> files;  // by path: those that may be written to
  std::set<std::string> announced;         // paths about to be created when the log ended
};

struct ManifestReport {
  uint64_t damagedRegions = 0;  // with good records behind them
  uint64_t damagedBytes = 0;
  uint64_t tornBytes = 0;  // behind the last good record
  // Damage may have hidden a commit for good: lengths in the state may be too short.
  bool uncertain = false;
  bool incomplete = false;  // a part of the snapshot is missing: wants the manifest before this one
  std::optional<uint64_t> snapshotAt;  // the commit the snapshot was made at, if a part can be read
};

std::string encodeManifestHeader(uint64_t fileNumber);
void appendCommit(const CommitRecord& commit, std::string& out);
void appendAnnounce(const std::vector<std::string>& paths, std::string& out);
// The whole state as records of at most `entriesEach` files or counts.
void appendSnapshot(const ManifestState& state, size_t entriesEach, std::string& out);

// Replays the bytes of a manifest over `state`, which is empty, or the state of the manifest before
// it when that is needed. kTooNew for a newer version; damage is stepped over and reported.
base::Status replayManifest(std::string_view bytes, ManifestState& state, ManifestReport& report);

// Takes a commit over into a state, as replay does.
void apply(const CommitRecord& commit, ManifestState& state);

}  // namespace logtail::outputs
