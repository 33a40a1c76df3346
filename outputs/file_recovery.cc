#include "outputs/file_recovery.h"

#include "common/base/checksum.h"
#include "common/base/log.h"

namespace logtail::outputs {
namespace {

using base::Errc;
using base::Result;
using base::Status;

constexpr size_t kTailBytes = 4096;

enum class Found : uint8_t { kKept, kLeft, kFinal };

Found left(const std::string& path, const std::string& why, FileRecovery& report) {
  ++report.leftFiles;
  base::logWarn("file output: " + path + " is left as it is: " + why);
  return Found::kLeft;
}

// A file that must not be trusted for more: final once what it may hold too much is surely cut.
Found finishSpent(base::File& file, const std::string& path, FileEntry& entry) {
  Status cut = file.truncate(entry.length);
  if (cut.ok()) cut = file.syncData();
  if (cut.ok()) return Found::kFinal;
  base::logWarn("file output: " + path + " is not cut yet: " + cut.message());
  entry.spent = true;
  return Found::kKept;
}

Result<Found> recoverOne(base::FileSystem& files, const std::string& path, bool condemned,
                         bool uncertain, FileEntry& entry, FileRecovery& report) {
  auto file = files.open(path, base::OpenMode::kReadWrite);
  if (!file.ok() && file.code() == Errc::kNotFound) return left(path, "it is gone", report);
  if (!file.ok()) return file.error();
  auto info = (*file)->info();
  if (!info.ok()) return info.error();
  if (info->inode != entry.inode) return left(path, "it is another file", report);
  if (info->size < entry.length) return left(path, "it became shorter", report);
  auto hash = hashTail(**file, entry.length);
  if (!hash.ok()) return hash.error();
  if (*hash != entry.tailHash) return left(path, "it was changed", report);
  if (info->size > entry.length && uncertain) {
    return left(path, "damage to the manifest hides how much of it was committed", report);
  }
  if (info->size > entry.length) {
    ++report.cutFiles;
    report.cutBytes += info->size - entry.length;
  }
  if (condemned || entry.spent) return finishSpent(**file, path, entry);
  // Not synced here: after a crash it is cut again, and who makes the file final syncs it.
  if (info->size > entry.length) LOGTAIL_TRY((*file)->truncate(entry.length));
  return Found::kKept;
}

Status removeAnnounced(base::FileSystem& files, const std::string& directory,
                       const std::set<std::string>& paths, FileRecovery& report) {
  std::set<std::string> directories;
  for (const std::string& relative : paths) {
    const std::string path = directory + "/" + relative;
    directories.insert(base::directoryOf(path));
    auto removed = files.remove(path);
    if (removed.ok()) {
      ++report.removedFiles;
    } else if (removed.code() != Errc::kNotFound) {
      return removed;
    }
  }
  // Also where nothing was there: an earlier start may have removed it and not come this far.
  for (const std::string& each : directories) {
    if (auto info = files.info(each); !info.ok() && info.code() == Errc::kNotFound) continue;
    LOGTAIL_TRY(files.syncDirectory(each));
  }
  return {};
}

}  // namespace

Result<uint64_t> hashTail(base::File& file, uint64_t length) {
  char tail[kTailBytes];
  const size_t bytes = length < kTailBytes ? length : kTailBytes;
  auto got = file.readAt(length - bytes, {tail, bytes});
  if (!got.ok()) return got.error();
  return base::hash64({tail, *got});
}

Status recoverFiles(base::FileSystem& files, const std::string& directory,
                    const std::set<std::string>& condemned, bool uncertain, ManifestState& state,
                    FileRecovery& report) {
  for (auto at = state.files.begin(); at != state.files.end();) {
    const std::string path = directory + "/" + at->first;
    auto found =
        recoverOne(files, path, condemned.contains(at->first), uncertain, at->second, report);
    if (!found.ok()) return found.error();
    at = *found == Found::kKept ? std::next(at) : state.files.erase(at);
  }
  if (uncertain) {
    for (const std::string& path : state.announced) {
      left(directory + "/" + path, "damage to the manifest hides whether it was committed", report);
    }
    return {};
  }
  return removeAnnounced(files, directory, state.announced, report);
}

}  // namespace logtail::outputs
