#include "agent/spool.h"

#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <optional>
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

// Of the directory's name; nothing when it is no stream's.
std::optional<event::StreamKey> keyOf(std::string_view directory) {
  event::StreamKey key;
  const char* const at = directory.data();
  if (directory.size() != 32) return std::nullopt;
  const auto high = std::from_chars(at, at + 16, key.hash.high, 16);
  const auto low = std::from_chars(at + 16, at + 32, key.hash.low, 16);
  if (high.ptr != at + 16 || low.ptr != at + 32 || event::toString(key) != directory) {
    return std::nullopt;
  }
  return key;
}

}  // namespace

Spool::Spool(base::FileSystem& files, std::string directory)
    : Spool(files, std::move(directory), Share()) {}

Spool::Spool(base::FileSystem& files, std::string directory, Share share)
    : files_(files), directory_(std::move(directory)), share_(share) {}

base::Status Spool::load() {
  copies_.clear();
  diskBytes_ = 0;
  const auto found = listFiles();
  if (!found.ok() && found.code() == base::Errc::kNotFound) return {};
  if (!found.ok()) return found.error();
  // All are looked at, other shares' too, before the first is touched: state of a newer version
  // stays as it is.
  for (const Found& file : *found) {
    if (!file.path.ends_with(kSuffix)) continue;
    const auto header = readSpoolHeader(files_, file.path);
    if (!header.ok() && header.code() == base::Errc::kTooNew) return header.error();
  }
  for (const Found& file : *found) {
    if (file.isMine) loadFile(file.path);
  }
  return {};
}

base::Result<std::vector<Spool::Found>> Spool::listFiles() const {
  const auto streams = files_.list(directory_);
  if (!streams.ok()) return streams.error();
  std::vector<Found> found;
  for (const std::string& stream : *streams) {
    const std::string directory = directory_ + "/" + stream;
    const auto key = keyOf(stream);
    if (!key) continue;
    const auto names = files_.list(directory);
    if (!names.ok() && names.code() == base::Errc::kNotFound) continue;
    if (!names.ok()) return names.error();
    for (const std::string& name : *names) {
      found.push_back({directory + "/" + name, share_.has(*key)});
    }
  }
  return found;
}

void Spool::loadFile(const std::string& path) {
  if (path.ends_with(kTemporary)) {
    ++counts_.leftovers;
    (void)files_.remove(path);
    return;
  }
  if (path.ends_with(kDamaged)) (void)files_.remove(path);
  if (!path.ends_with(kSuffix)) return;
  auto header = readSpoolHeader(files_, path);
  if (header.ok()) return insert({std::move(*header), path, 0});
  ++counts_.damagedFiles;
  // An I/O error may pass: such a file is left for the next start.
  if (header.code() == base::Errc::kQuarantine) {
    (void)files_.rename(path, path + std::string(kDamaged));
  }
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
  SpooledGeneration made = begin(std::move(header));
  const base::Status written = write(files_, made, source);
  return finish(std::move(made), written);
}

SpooledGeneration Spool::begin(SpoolHeader header) const {
  SpooledGeneration copy;
  copy.path = directory_ + "/" + toString(header.description.key()) + "/" + fileName(header);
  copy.header = std::move(header);
  return copy;
}

base::Status Spool::write(base::FileSystem& files, SpooledGeneration& copy, LogFile& source) {
  const std::string directory = base::directoryOf(copy.path);
  const std::string temporary = copy.path + std::string(kTemporary);
  LOGTAIL_TRY(files.createDirectories(directory));
  LOGTAIL_TRY(writeSpoolFile(files, temporary, source, copy.header));
  LOGTAIL_TRY(files.rename(temporary, copy.path));
  return files.syncDirectory(directory);
}

base::Result<const SpooledGeneration*> Spool::finish(SpooledGeneration copy,
                                                     const base::Status& written) {
  if (!written.ok()) {
    ++counts_.failedCopies;
    (void)files_.remove(copy.path + std::string(kTemporary));
    (void)files_.remove(copy.path);                     // renamed, but not known to stay
    (void)files_.remove(base::directoryOf(copy.path));  // refused while another copy is in it
    return written.error();
  }
  ++counts_.copies;
  counts_.copiedBytes += copy.header.to - copy.header.from;
  const Key key = keyOf(copy.header);
  insert(std::move(copy));
  return &copies_.at(key);
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
