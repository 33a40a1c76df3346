#include "outputs/manifest.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>

#include "common/base/log.h"

namespace logtail::outputs {
namespace {

using base::Errc;
using base::Result;
using base::Status;

constexpr std::string_view kPrefix = "manifest.";
constexpr size_t kNumberDigits = 16;
constexpr uint64_t kMaxBytes = uint64_t{1} << 30;

}  // namespace

std::string Manifest::pathOf(uint64_t number) const {
  char digits[kNumberDigits + 1];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(number));
  return directory_ + "/" + std::string(kPrefix) + digits;
}

Result<std::vector<uint64_t>> Manifest::numbers() const {
  std::vector<uint64_t> found;
  auto names = files_.list(directory_);
  if (!names.ok() && names.code() == Errc::kNotFound) return found;
  if (!names.ok()) return names.error();
  for (const std::string& name : *names) {
    if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kNumberDigits) continue;
    uint64_t number = 0;
    const char* end = name.data() + name.size();
    const auto [at, error] = std::from_chars(name.data() + kPrefix.size(), end, number, 16);
    if (error == std::errc() && at == end) found.push_back(number);
  }
  std::sort(found.rbegin(), found.rend());
  return found;
}

Result<ManifestState> Manifest::load(ManifestReport& report) {
  file_.reset();
  ManifestState state;
  auto found = numbers();
  if (!found.ok()) return found.error();
  fileNumber_ = found->empty() ? 0 : found->front();
  if (found->empty()) return state;

  const auto replay = [&](uint64_t number, ManifestReport& into) -> Status {
    auto bytes = base::readFile(files_, pathOf(number), kMaxBytes);
    if (!bytes.ok() && bytes.code() == Errc::kQuarantine) {
      into.incomplete = true;
      ++into.damagedRegions;
      return {};
    }
    if (!bytes.ok()) return bytes.error();
    return replayManifest(*bytes, state, into);
  };
  ManifestReport newest;
  LOGTAIL_TRY(replay((*found)[0], newest));
  if (newest.incomplete) {
    // Cut off right behind a record, it has no torn bytes to show.
    const bool unseen = newest.damagedRegions == 0 && newest.tornBytes == 0;
    state = {};
    ManifestReport older;
    older.incomplete = true;
    if (found->size() > 1) LOGTAIL_TRY(replay((*found)[1], older));
    // Whether it holds all that the snapshot held.
    const bool behind = newest.snapshotAt ? state.number != *newest.snapshotAt
                                          : older.tornBytes + older.damagedRegions > 0;
    newest = {};
    LOGTAIL_TRY(replay((*found)[0], newest));
    newest.uncertain = newest.uncertain || older.uncertain || older.incomplete || behind;
    newest.damagedRegions += older.damagedRegions + (unseen ? 1 : 0);
    newest.damagedBytes += older.damagedBytes;
  }
  report = newest;
  return state;
}

Status Manifest::begin(ManifestState state) {
  state.announced.clear();
  {
    const std::lock_guard lock(mutex_);
    state_ = std::move(state);
  }
  last_ = {};
  return writeSnapshot();
}

Status Manifest::writeSnapshot() {
  file_.reset();
  std::string bytes = encodeManifestHeader(fileNumber_ + 1);
  appendSnapshot(state_, kEntriesEach, bytes);
  const std::string path = pathOf(fileNumber_ + 1);
  LOGTAIL_TRY(base::writeFileAtomically(files_, path, bytes));
  auto file = files_.open(path, base::OpenMode::kReadWrite);
  if (!file.ok()) return file.error();
  file_ = std::move(*file);
  ++fileNumber_;
  end_ = snapshotBytes_ = bytes.size();
  removeOld();
  return {};
}

// One that stays costs its space only, so nothing hangs on this.
void Manifest::removeOld() {
  auto found = numbers();
  if (!found.ok()) return;
  for (size_t i = 2; i < found->size(); ++i) {
    if (auto removed = files_.remove(pathOf((*found)[i])); !removed.ok()) {
      base::logWarn("manifest " + directory_ + ": " + removed.message());
    }
  }
}

Status Manifest::append(std::string_view bytes) {
  if (file_ == nullptr) return {Errc::kRetry, "to be loaded again after: " + why_};
  Status done = file_->write(end_, bytes);
  if (done.ok()) done = file_->syncData();
  if (!done.ok()) {
    file_.reset();
    why_ = done.message();
    return done;
  }
  end_ += bytes.size();
  return {};
}

Status Manifest::announce(const std::vector<std::string>& paths) {
  std::string bytes;
  appendAnnounce(paths, bytes);
  return append(bytes);
}

CommitRecord Manifest::recordFor(const ManifestChange& change) const {
  CommitRecord record;
  record.number = state_.number + 1;
  record.position = change.position ? change.position : state_.progress.position;
  record.forgotten = state_.progress.forgotten;
  record.files = change.files;
  const std::set<event::StreamKey> forget(change.forget.begin(), change.forget.end());
  record.forget.assign(forget.begin(), forget.end());
  const CountsMap& have = state_.progress.streams;
  for (const auto& [key, added] : change.counts) {
    StreamCounts counts = added;
    if (forget.contains(key)) {
      record.forgotten += counts;
      continue;
    }
    if (const auto before = have.find(key); before != have.end()) counts += before->second;
    record.counts.emplace_back(key, counts);
  }
  for (const event::StreamKey& key : forget) {
    if (const auto before = have.find(key); before != have.end())
      record.forgotten += before->second;
  }
  return record;
}

// Stores what changed, with what the commit before said of everything that did not change since.
Status Manifest::commit(const ManifestChange& change) {
  const CommitRecord record = recordFor(change);
  CommitRecord stored = record;
  std::set<std::string> paths;
  for (const FileEntry& file : record.files) paths.insert(filePath(file.target, file.number));
  for (const FileEntry& file : last_.files) {
    if (!paths.contains(filePath(file.target, file.number))) stored.files.push_back(file);
  }
  std::set<event::StreamKey> keys(record.forget.begin(), record.forget.end());
  for (const auto& [key, counts] : record.counts) keys.insert(key);
  for (const auto& [key, counts] : last_.counts) {
    if (!keys.contains(key)) stored.counts.emplace_back(key, counts);
  }
  for (const event::StreamKey& key : last_.forget) {
    if (!keys.contains(key)) stored.forget.push_back(key);
  }
  std::string bytes;
  appendCommit(stored, bytes);
  LOGTAIL_TRY(append(bytes));
  {
    const std::lock_guard lock(mutex_);
    apply(record, state_);
  }
  last_ = record;
  if (end_ < std::max(compactAt_, 4 * snapshotBytes_)) return {};
  // The commit stands whether or not this succeeds; the next call tells when it did not.
  if (auto begun = writeSnapshot(); !begun.ok()) {
    why_ = begun.message();
    base::logWarn("manifest " + directory_ + ": " + why_);
  }
  return {};
}

Progress Manifest::progress() const {
  const std::lock_guard lock(mutex_);
  return state_.progress;
}

std::optional<wal::Position> Manifest::position() const {
  const std::lock_guard lock(mutex_);
  return state_.progress.position;
}

Result<Progress> Manifest::read(base::FileSystem& files, const std::string& directory) {
  Manifest manifest(files, directory);
  ManifestReport report;
  auto state = manifest.load(report);
  if (!state.ok()) return state.error();
  return std::move(state->progress);
}

}  // namespace logtail::outputs
