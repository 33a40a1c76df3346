#pragma once
// Manifests for tests: entries, commits and their bytes on a simulated disk.

#include <string>

#include "common/base/log.h"
#include "outputs/manifest.h"
#include "tests/support/crash_file_system.h"

namespace logtail::outputs {

inline constexpr const char* kManifestDirectory = "/data/outputs/out";

inline event::StreamKey streamKey(uint64_t n) {
  return {{n, n + 1000}};
}

inline wal::Position positionAt(uint64_t sequence) {
  return {7, 1, sequence, 0, 0};
}

inline FileEntry fileEntry(const std::string& target, uint32_t number, uint64_t length) {
  FileEntry file;
  file.target = target;
  file.number = number;
  file.inode = 40 + number;
  file.length = length;
  file.tailHash = length * 3;
  file.createdNanos = 1'700'000'000'000'000'000;
  return file;
}

// `records` of stream `n` delivered, the position behind entry `sequence`.
inline ManifestChange delivered(uint64_t sequence, uint64_t n, uint64_t records) {
  ManifestChange change;
  change.position = positionAt(sequence + 1);
  change.counts[streamKey(n)][Fate::kDelivered] = {records, records * 100, records * 7};
  return change;
}

inline std::string manifestName(uint64_t number) {
  char name[64];
  snprintf(name, sizeof name, "manifest.%016llx", static_cast<unsigned long long>(number));
  return name;
}

inline std::string manifestBytes(base::FileSystem& disk, uint64_t number) {
  return base::readFile(disk, std::string(kManifestDirectory) + "/" + manifestName(number), 1 << 30)
      .value();
}

inline void writeManifest(base::FileSystem& disk, uint64_t number, const std::string& bytes) {
  LOGTAIL_ASSERT(disk.createDirectories(kManifestDirectory).ok());
  LOGTAIL_ASSERT(base::writeFileAtomically(
                     disk, std::string(kManifestDirectory) + "/" + manifestName(number), bytes)
                     .ok());
}

// A manifest that is begun, from what is on the disk.
inline std::unique_ptr<Manifest> begun(base::FileSystem& disk) {
  LOGTAIL_ASSERT(disk.createDirectories(kManifestDirectory).ok());
  auto manifest = std::make_unique<Manifest>(disk, kManifestDirectory);
  ManifestReport report;
  auto state = manifest->load(report);
  LOGTAIL_ASSERT(state.ok() && manifest->begin(*state).ok());
  return manifest;
}

inline bool same(const ManifestState& a, const ManifestState& b) {
  return a.number == b.number && a.progress.position == b.progress.position &&
         a.progress.streams == b.progress.streams && a.progress.forgotten == b.progress.forgotten &&
         a.files == b.files;
}

}  // namespace logtail::outputs
