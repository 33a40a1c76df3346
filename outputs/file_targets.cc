#include "outputs/file_targets.h"

#include <algorithm>

#include "common/base/log.h"
#include "outputs/file_numbers.h"
#include "outputs/file_recovery.h"

namespace logtail::outputs {

using base::Errc;
using base::OpenMode;
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
    target.numberKnown_ = true;
    target.nextNumber_ = std::max(target.nextNumber_, file.number + 1);
    if (file.spent || (target.hasFile_ && target.file_.number > file.number)) continue;
    target.hasFile_ = true;
    target.file_ = file;
    target.written_ = file.length;
  }
}

FileTargets::Target& FileTargets::find(const std::string& key) {
  std::unique_ptr<Target>& slot = targets_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Target>();
    slot->key = key;
    slot->lastUse_ = clock_.steady();
    slot->used_ = used_.insert(used_.end(), slot.get());
  }
  return *slot;
}

void FileTargets::touch(Target& target) {
  if (target.changed_) return;
  target.changed_ = true;
  target.lastUse_ = clock_.steady();
  used_.splice(used_.end(), used_, target.used_);
  changed_.push_back(&target);
  if (spare_.empty()) return;
  target.buffer = std::move(spare_.back());
  spare_.pop_back();
}

Status FileTargets::wrote(Target& target) {
  bufferedBytes_ += target.buffer.capacity() - target.counted_;
  target.counted_ = target.buffer.capacity();
  return target.buffer.size() < kChunkBytes ? Status() : flush(target);
}

// Back from a target whose group is committed; a few stay warm.
void FileTargets::takeBuffer(Target& target) {
  bufferedBytes_ -= target.counted_;
  target.counted_ = 0;
  target.buffer.clear();
  if (spare_.size() < kSpareBuffers && target.buffer.capacity() <= 4 * kChunkBytes) {
    spare_.push_back(std::move(target.buffer));
  }
  target.buffer = {};
}

// All of the group at once: announcing costs a sync.
Status FileTargets::announceMissing() {
  std::vector<std::string> paths;
  FileNumbers numbers(files_, settings_.directory);
  for (Target* target : changed_) {
    if (target->hasFile_ || target->buffer.size() == 0) continue;
    // An announced file is ours to remove: nobody else's may have its name.
    auto number = target->numberKnown_ ? numbers.freeFrom(target->key, target->nextNumber_)
                                       : numbers.behind(target->key);
    if (!number.ok()) return number.error();
    target->numberKnown_ = true;
    target->nextNumber_ = *number + 1;
    target->hasFile_ = true;
    target->file_ = {};
    target->file_.target = target->key;
    target->file_.number = *number;
    target->file_.createdNanos = clock_.wallNanos();
    target->written_ = 0;
    target->created_ = true;
    target->proven_ = false;
    paths.push_back(filePath(target->key, target->file_.number));
  }
  return paths.empty() ? Status() : manifest_.announce(paths);
}

void FileTargets::close(Target& target) {
  if (target.handle_ == nullptr) return;
  target.handle_.reset();
  open_.erase(target.open_);
}

// A descriptor is free. All that wait for a sync get it at once: one at a time would cost a journal
// commit each, and the next ones are as likely to go.
Status FileTargets::makeRoom() {
  if (open_.size() < settings_.openFiles) return {};
  if (!open_.front()->proven_) LOGTAIL_TRY(syncOpen());
  close(*open_.front());
  return {};
}

Status FileTargets::create(Target& target) {
  const std::string path = pathOf(target.file_);
  LOGTAIL_TRY(files_.createDirectories(base::directoryOf(path)));
  newDirectories_.insert(base::directoryOf(path));
  auto file = files_.open(path, OpenMode::kCreateExclusive);
  if (!file.ok()) return file.error();
  auto info = (*file)->info();
  if (!info.ok()) return info.error();
  target.file_.inode = info->inode;
  ++counts_.created;
  target.handle_ = std::move(*file);
  target.open_ = open_.insert(open_.end(), &target);
  return {};
}

// What is written into a file that somebody removed, replaced or cut would be lost.
Status FileTargets::checkUnchanged(const Target& target) {
  const std::string path = pathOf(target.file_);
  const auto info = files_.info(path);
  if (!info.ok() && info.code() != Errc::kNotFound) return info.error();
  if (!info.ok()) return {Errc::kQuarantine, path + ": somebody removed it"};
  if (info->inode != target.file_.inode)
    return {Errc::kQuarantine, path + ": somebody replaced it"};
  if (info->size == target.written_) return {};
  return {Errc::kQuarantine, path + ": somebody changed its length"};
}

Status FileTargets::open(Target& target) {
  const bool absent = target.created_ && target.file_.inode == 0;
  if (!absent) LOGTAIL_TRY(checkUnchanged(target));
  if (target.handle_ != nullptr) {
    open_.splice(open_.end(), open_, target.open_);
    return {};
  }
  LOGTAIL_TRY(makeRoom());
  if (absent) return create(target);
  auto file = files_.open(pathOf(target.file_), OpenMode::kReadWrite);
  if (!file.ok()) return file.error();
  target.handle_ = std::move(*file);
  target.open_ = open_.insert(open_.end(), &target);
  return {};
}

Status FileTargets::flush(Target& target) {
  if (target.buffer.size() == 0) return {};
  const std::string_view chunk = compressor_.compress(target.buffer.view());
  if (target.hasFile_ && target.written_ > 0 &&
      target.written_ + chunk.size() > settings_.rotateSize.count) {
    LOGTAIL_TRY(finish(target));
  }
  if (!target.hasFile_) LOGTAIL_TRY(announceMissing());
  LOGTAIL_TRY(open(target));
  target.proven_ = false;
  LOGTAIL_TRY(target.handle_->write(target.written_, chunk));
  target.written_ += chunk.size();
  counts_.bytesWritten += chunk.size();
  target.buffer.clear();
  return {};
}

// Takes over how the sync of a target ended.
Status FileTargets::synced(Target& target, const Status& answer) {
  if (!answer.ok()) {
    condemned_.insert(filePath(target.key, target.file_.number));
    return answer;
  }
  ++counts_.syncs;
  auto hash = hashTail(*target.handle_, target.written_);
  if (!hash.ok()) return hash.error();
  target.file_.length = target.written_;
  target.file_.tailHash = *hash;
  target.proven_ = true;
  return {};
}

// Everything behind a descriptor is durable. All answers count: each file whose sync failed is
// condemned.
Status FileTargets::syncOpen() {
  std::vector<Target*> targets;
  std::vector<base::File*> handles;
  for (Target* target : open_) {
    if (target->proven_) continue;
    LOGTAIL_TRY(checkUnchanged(*target));
    targets.push_back(target);
    handles.push_back(target->handle_.get());
  }
  const std::vector<Status> answers = files_.syncAll(handles);
  Status all;
  for (size_t i = 0; i < targets.size(); ++i) {
    Status done = synced(*targets[i], answers[i]);
    if (all.ok()) all = std::move(done);
  }
  return all;
}

// Whether or not this life wrote to it: what a start cut off must not come back once the manifest
// forgets the file.
Status FileTargets::prove(Target& target) {
  if (target.proven_) return checkUnchanged(target);
  LOGTAIL_TRY(open(target));
  return synced(target, target.handle_->syncData());
}

// The target's file is final: synced, closed and never opened again.
Status FileTargets::finish(Target& target) {
  LOGTAIL_TRY(prove(target));
  close(target);
  target.file_.closed = true;
  finished_.push_back(target.file_);
  target.hasFile_ = false;
  ++counts_.finished;
  return {};
}

// The target's file is not ours any more: nothing is left to be made final.
void FileTargets::leave(Target& target, const std::string& why) {
  base::logWarn("file output: left as it is: " + why);
  close(target);
  target.file_.closed = true;
  finished_.push_back(target.file_);
  target.hasFile_ = false;
  ++counts_.left;
}

bool FileTargets::isOld(const Target& target) const {
  return target.file_.createdNanos + base::Nanos(settings_.rotateAge).count() <= clock_.wallNanos();
}

// Those nobody wrote to for long, and the longest idle ones beyond the limit.
std::vector<FileTargets::Target*> FileTargets::findIdle() const {
  const base::Nanos now = clock_.steady();
  const size_t limit = settings_.knownFiles;
  size_t over = targets_.size() > limit ? targets_.size() - limit : 0;
  std::vector<Target*> found;
  for (Target* target : used_) {
    if (target->changed_) break;  // those of this group are at the end
    if (over == 0 && now - target->lastUse_ < settings_.closeIdle) break;
    found.push_back(target);
    if (over > 0) --over;
  }
  return found;
}

Status FileTargets::finishIdle() {
  idle_ = findIdle();
  const auto unlessOurs = [this](Target& target, const Status& done) -> Status {
    if (done.code() != Errc::kQuarantine) return done;
    leave(target, done.message());
    return {};
  };
  // Those that only an earlier life wrote to are synced together too.
  for (Target* target : idle_) {
    if (!target->hasFile_ || target->proven_) continue;
    if (const Status opened = open(*target); !opened.ok()) LOGTAIL_TRY(unlessOurs(*target, opened));
  }
  LOGTAIL_TRY(syncOpen());
  for (Target* target : idle_) {
    if (!target->hasFile_) continue;
    if (const Status done = finish(*target); !done.ok()) LOGTAIL_TRY(unlessOurs(*target, done));
  }
  return {};
}

Status FileTargets::seal(std::vector<FileEntry>& entries) {
  LOGTAIL_TRY(announceMissing());
  for (Target* target : changed_) LOGTAIL_TRY(flush(*target));
  LOGTAIL_TRY(syncOpen());
  for (Target* target : changed_) {
    if (!target->hasFile_) continue;
    if (isOld(*target)) {
      LOGTAIL_TRY(finish(*target));
    } else {
      entries.push_back(target->file_);
    }
  }
  LOGTAIL_TRY(finishIdle());
  for (const std::string& directory : newDirectories_) LOGTAIL_TRY(files_.syncDirectory(directory));
  entries.insert(entries.end(), finished_.begin(), finished_.end());
  return {};
}

void FileTargets::committed() {
  for (Target* target : changed_) {
    target->changed_ = false;
    target->created_ = false;
    takeBuffer(*target);
  }
  changed_.clear();
  finished_.clear();
  newDirectories_.clear();
  if (!idle_.empty()) ++generation_;
  for (Target* target : idle_) {
    close(*target);
    used_.erase(target->used_);
    targets_.erase(target->key);
  }
  idle_.clear();
}

std::optional<base::Nanos> FileTargets::idleAt() const {
  if (used_.empty()) return std::nullopt;
  return used_.front()->lastUse_ + settings_.closeIdle;
}

}  // namespace logtail::outputs
