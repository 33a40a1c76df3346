#include "agent/spool.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <vector>

namespace logtail::agent {
namespace {

constexpr std::string_view kSuffix = ".spool";
constexpr std::string_view kTemporary = ".tmp";
constexpr std::string_view kDamaged = ".damaged";

std::string fileName(const SpoolHeader& header) {
  char name[64];
  std::snprintf(name, sizeof name, "%016" PRIx64 "-%" PRIu32 "-%" PRIu64,
                header.generation.fingerprint, header.generation.epoch, header.from);
  return std::string(name).append(kSuffix);
}

Spool::Key keyOf(const SpoolHeader& header) {
  return {header.description.key(), header.generation};
}

}  // namespace

Spool::Spool(base::FileSystem& files, std::string directory)
    : files_(files), directory_(std::move(directory)) {}

base::Status Spool::load() {
  copies_.clear();
  diskBytes_ = 0;
  const auto paths = listFiles();
  if (!paths.ok() && paths.code() == base::Errc::kNotFound) return {};
  if (!paths.ok()) return paths.error();
  // All are looked at before the first is touched: state of a newer version stays as it is.
  for (const std::string& path : *paths) {
    if (!path.ends_with(kSuffix)) continue;
    const auto header = readSpoolHeader(files_, path);
    if (!header.ok() && header.code() != base::Errc::kQuarantine) return header.error();
  }
  for (const std::string& path : *paths) LOGTAIL_TRY(loadFile(path));
  return {};
}

base::Result<std::vector<std::string>> Spool::listFiles() const {
  const auto streams = files_.list(directory_);
  if (!streams.ok()) return streams.error();
  std::vector<std::string> paths;
  for (const std::string& stream : *streams) {
    const std::string directory = directory_ + "/" + stream;
    const auto info = files_.info(directory);
    if (!info.ok()) return info.error();
    if (!info->isDirectory) continue;
    const auto names = files_.list(directory);
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) paths.push_back(directory + "/" + name);
  }
  return paths;
}

base::Status Spool::loadFile(const std::string& path) {
  if (path.ends_with(kTemporary)) {
    ++counts_.leftovers;
    return files_.remove(path);
  }
  if (path.ends_with(kDamaged)) return files_.remove(path);
  if (!path.ends_with(kSuffix)) return {};
  auto header = readSpoolHeader(files_, path);
  if (!header.ok()) {
    ++counts_.damagedFiles;
    return files_.rename(path, path + std::string(kDamaged));
  }
  insert({std::move(*header), path, 0});
  return {};
}

// Keeps, of two copies of a generation, the one that reaches further back.
void Spool::insert(SpooledGeneration copy) {
  copy.diskBytes = spoolFileBytes(copy.header);
  const auto [at, isNew] = copies_.try_emplace(keyOf(copy.header));
  SpooledGeneration& kept = at->second;
  if (!isNew && kept.header.from <= copy.header.from) {
    (void)files_.remove(copy.path);
    return;
  }
  if (!isNew) {
    (void)files_.remove(kept.path);
    diskBytes_ -= kept.diskBytes;
  }
  diskBytes_ += copy.diskBytes;
  kept = std::move(copy);
}

base::Result<const SpooledGeneration*> Spool::copy(SpoolHeader header, LogFile& source) {
  const SpooledGeneration* known = find(header.description.key(), header.generation);
  if (known != nullptr && known->header.from <= header.from) return known;
  SpooledGeneration made;
  made.path = directory_ + "/" + toString(header.description.key()) + "/" + fileName(header);
  made.header = std::move(header);
  if (const auto status = writeCopy(made, source); !status.ok()) {
    ++counts_.failedCopies;
    (void)files_.remove(made.path + std::string(kTemporary));
    (void)files_.remove(made.path);  // renamed, but not known to stay
    return status.error();
  }
  ++counts_.copies;
  counts_.copiedBytes += made.header.to - made.header.from;
  const Key key = keyOf(made.header);
  insert(std::move(made));
  return &copies_.at(key);
}

base::Status Spool::writeCopy(SpooledGeneration& copy, LogFile& source) {
  const std::string directory = base::directoryOf(copy.path);
  const std::string temporary = copy.path + std::string(kTemporary);
  LOGTAIL_TRY(files_.createDirectories(directory));
  LOGTAIL_TRY(writeSpoolFile(files_, temporary, source, copy.header));
  LOGTAIL_TRY(files_.rename(temporary, copy.path));
  return files_.syncDirectory(directory);
}

const SpooledGeneration* Spool::find(const event::StreamKey& stream,
                                     const event::GenerationId& generation) const {
  const auto at = copies_.find({stream, generation});
  return at == copies_.end() ? nullptr : &at->second;
}

base::Result<std::unique_ptr<LogFile>> Spool::open(const SpooledGeneration& copy) const {
  return openSpoolFile(files_, copy.path);
}

base::Status Spool::remove(const event::StreamKey& stream, const event::GenerationId& generation) {
  const auto at = copies_.find({stream, generation});
  if (at == copies_.end()) return {};
  const std::string path = at->second.path;
  const auto removed = files_.remove(path);
  if (!removed.ok() && removed.code() != base::Errc::kNotFound) return removed;
  diskBytes_ -= at->second.diskBytes;
  copies_.erase(at);
  ++counts_.removed;
  // Refused while another copy is in it.
  (void)files_.remove(base::directoryOf(path));
  return {};
}

}  // namespace logtail::agent
