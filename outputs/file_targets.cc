#include "outputs/file_targets.h"

#include <algorithm>
#include <charconv>

#include "outputs/file_recovery.h"

namespace logtail::outputs {

using base::Errc;
using base::OpenMode;
using base::Result;
using base::Status;

FileTargets::FileTargets(base::FileSystem& files, base::Clock& clock, const FileSettings& settings,
                         Manifest& manifest)
    : files_(files),
      clock_(clock),
      settings_(settings),
      manifest_(manifest),
      compressor_(settings.compress == Compression::kZstd ? settings.level : 0) {}

void FileTargets::reset(const ManifestState& state) {
  ++generation_;
  open_.clear();
  used_.clear();
  changed_.clear();
  finished_.clear();
  idle_.clear();
  newDirectories_.clear();
  targets_.clear();
  bufferedBytes_ = 0;
  for (const auto& [path, file] : state.files) {
    Target& target = find(file.target);
    target.numberKnown = true;
    target.nextNumber = std::max(target.nextNumber, file.number + 1);
    if (file.spent || (target.hasFile && target.file.number > file.number)) continue;
    target.hasFile = true;
    target.file = file;
    target.written = file.length;
  }
}

FileTargets::Target& FileTargets::find(const std::string& key) {
  std::unique_ptr<Target>& slot = targets_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Target>();
    slot->key = key;
    slot->lastUse = clock_.steady();
    slot->used = used_.insert(used_.end(), slot.get());
  }
  return *slot;
}

void FileTargets::touch(Target& target) {
  if (target.changed) return;
  target.changed = true;
  target.lastUse = clock_.steady();
  used_.splice(used_.end(), used_, target.used);
  changed_.push_back(&target);
  if (spare_.empty()) return;
  target.buffer = std::move(spare_.back());
  spare_.pop_back();
}

Status FileTargets::wrote(Target& target) {
  bufferedBytes_ += target.buffer.capacity() - target.counted;
  target.counted = target.buffer.capacity();
  return target.buffer.size() < kChunkBytes ? Status() : flush(target);
}

// Back from a target whose group is committed; a few stay warm.
void FileTargets::takeBuffer(Target& target) {
  bufferedBytes_ -= target.counted;
  target.counted = 0;
  target.buffer.clear();
  if (spare_.size() < kSpareBuffers && target.buffer.capacity() <= 4 * kChunkBytes) {
    spare_.push_back(std::move(target.buffer));
  }
  target.buffer = {};
}

// The number behind the highest that is on disk. Only for targets this life knows nothing of.
Result<uint32_t> FileTargets::freeNumber(const std::string& key) {
  const std::string first = settings_.directory + "/" + key;
  auto info = files_.info(first);
  if (!info.ok() && info.code() != Errc::kNotFound) return info.error();
  auto names = files_.list(base::directoryOf(first));
  if (!names.ok() && names.code() == Errc::kNotFound) return uint32_t{0};
  if (!names.ok()) return names.error();
  uint32_t next = info.ok() ? 1 : 0;
  // What filePath() puts around a number, from the first place where two of them differ.
  const std::string sample = filePath(key, 1);
  const size_t name = key.rfind('/') == std::string::npos ? 0 : key.rfind('/') + 1;
  size_t at = name;
  while (at < key.size() && key[at] == sample[at]) ++at;
  const std::string before = sample.substr(name, at - name) + "_";
  const std::string behind = key.substr(at);
  for (const std::string& each : *names) {
    if (!each.starts_with(before) || !each.ends_with(behind)) continue;
    if (each.size() <= before.size() + behind.size()) continue;
    const char* end = each.data() + each.size() - behind.size();
    uint32_t number = 0;
    const auto [stop, error] = std::from_chars(each.data() + before.size(), end, number);
    if (error == std::errc() && stop == end && number < UINT32_MAX)
      next = std::max(next, number + 1);
  }
  return next;
}

// All of the group at once: announcing costs a sync.
Status FileTargets::announceMissing() {
  std::vector<std::string> paths;
  for (Target* target : changed_) {
    if (target->hasFile || target->buffer.size() == 0) continue;
    if (!target->numberKnown) {
      auto number = freeNumber(target->key);
      if (!number.ok()) return number.error();
      target->nextNumber = *number;
      target->numberKnown = true;
    }
    target->hasFile = true;
    target->file = {};
    target->file.target = target->key;
    target->file.number = target->nextNumber++;
    target->file.createdNanos = clock_.wallNanos();
    target->written = 0;
    target->created = true;
    paths.push_back(filePath(target->key, target->file.number));
  }
  return paths.empty() ? Status() : manifest_.announce(paths);
}

void FileTargets::close(Target& target) {
  if (target.handle == nullptr) return;
  target.handle.reset();
  open_.erase(target.open);
}

Status FileTargets::closeOne() {
  Target& target = *open_.front();
  if (target.unsynced) LOGTAIL_TRY(sync(target));
  close(target);
  return {};
}

Status FileTargets::open(Target& target) {
  if (target.handle != nullptr) {
    open_.splice(open_.end(), open_, target.open);
    return {};
  }
  if (open_.size() >= settings_.openFiles) LOGTAIL_TRY(closeOne());
  const std::string path = pathOf(target.file);
  const bool create = target.created && target.file.inode == 0;
  if (create) {
    LOGTAIL_TRY(files_.createDirectories(base::directoryOf(path)));
    newDirectories_.insert(base::directoryOf(path));
  }
  auto file = files_.open(path, create ? OpenMode::kCreateExclusive : OpenMode::kReadWrite);
  if (!file.ok()) return file.error();
  auto info = (*file)->info();
  if (!info.ok()) return info.error();
  if (create) {
    target.file.inode = info->inode;
    ++counts_.created;
  } else if (info->inode != target.file.inode || info->size < target.written) {
    return {Errc::kRetry, path + ": somebody replaced or cut it"};
  }
  target.handle = std::move(*file);
  target.open = open_.insert(open_.end(), &target);
  return {};
}

Status FileTargets::flush(Target& target) {
  if (target.buffer.size() == 0) return {};
  const std::string_view chunk = compressor_.compress(target.buffer.view());
  if (target.hasFile && target.written > 0 &&
      target.written + chunk.size() > settings_.rotateSize.count) {
    LOGTAIL_TRY(finish(target));
  }
  if (!target.hasFile) LOGTAIL_TRY(announceMissing());
  LOGTAIL_TRY(open(target));
  target.unsynced = true;
  LOGTAIL_TRY(target.handle->write(target.written, chunk));
  target.written += chunk.size();
  counts_.bytesWritten += chunk.size();
  target.buffer.clear();
  return {};
}

Status FileTargets::sync(Target& target) {
  LOGTAIL_TRY(open(target));
  if (auto synced = target.handle->syncData(); !synced.ok()) {
    condemned_.insert(filePath(target.key, target.file.number));
    return synced;
  }
  ++counts_.syncs;
  auto hash = hashTail(*target.handle, target.written);
  if (!hash.ok()) return hash.error();
  target.file.length = target.written;
  target.file.tailHash = *hash;
  target.unsynced = false;
  return {};
}

// The target's file is final. Synced whether or not this life wrote to it: what a start cut off
// must not come back once the manifest forgets the file.
Status FileTargets::finish(Target& target) {
  LOGTAIL_TRY(sync(target));
  close(target);
  target.file.closed = true;
  finished_.push_back(target.file);
  target.hasFile = false;
  ++counts_.finished;
  return {};
}

bool FileTargets::isOld(const Target& target) const {
  return target.file.createdNanos + base::Nanos(settings_.rotateAge).count() <= clock_.wallNanos();
}

Status FileTargets::finishIdle() {
  const base::Nanos now = clock_.steady();
  size_t over = targets_.size() > settings_.knownFiles ? targets_.size() - settings_.knownFiles : 0;
  for (Target* target : used_) {
    if (target->changed) break;  // those of this group are at the end
    if (over == 0 && now - target->lastUse < settings_.closeIdle) break;
    // A file that is gone or not ours any more has nothing to make final.
    if (target->hasFile) {
      if (auto done = finish(*target); !done.ok()) {
        if (done.code() != Errc::kNotFound && done.code() != Errc::kRetry) return done;
        target->file.closed = true;
        finished_.push_back(target->file);
      }
    }
    idle_.push_back(target);
    if (over > 0) --over;
  }
  return {};
}

Status FileTargets::seal(std::vector<FileEntry>& entries) {
  LOGTAIL_TRY(announceMissing());
  for (Target* target : changed_) LOGTAIL_TRY(flush(*target));
  for (Target* target : changed_) {
    if (!target->hasFile) continue;
    if (target->unsynced) LOGTAIL_TRY(sync(*target));
    if (isOld(*target)) {
      LOGTAIL_TRY(finish(*target));
    } else {
      entries.push_back(target->file);
    }
  }
  LOGTAIL_TRY(finishIdle());
  for (const std::string& directory : newDirectories_) LOGTAIL_TRY(files_.syncDirectory(directory));
  entries.insert(entries.end(), finished_.begin(), finished_.end());
  return {};
}

void FileTargets::committed() {
  for (Target* target : changed_) {
    target->changed = false;
    target->created = false;
    takeBuffer(*target);
  }
  changed_.clear();
  finished_.clear();
  newDirectories_.clear();
  if (!idle_.empty()) ++generation_;
  for (Target* target : idle_) {
    close(*target);
    used_.erase(target->used);
    targets_.erase(target->key);
  }
  idle_.clear();
}

std::optional<base::Nanos> FileTargets::idleAt() const {
  if (used_.empty()) return std::nullopt;
  return used_.front()->lastUse + settings_.closeIdle;
}

}  // namespace logtail::outputs
