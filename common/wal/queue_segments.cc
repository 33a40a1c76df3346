// QueueWriter's segments: making them, sealing them, letting them go.
#include <algorithm>

#include "common/base/log.h"
#include "common/base/random.h"
#include "common/wal/queue_writer.h"

namespace logtail::wal {

uint64_t QueueWriter::usedBytes() const {
  return list_.size() * options_.segmentBytes;
}

bool QueueWriter::isFull() const {
  return usedBytes() + options_.segmentBytes > options_.capacityBytes;
}

// Makes the next segment the active one: header and space durable under a free name first, then the
// name. Only then do entries go in.
base::Status QueueWriter::roll() {
  if (isFull()) return {base::Errc::kPushBack, "the queue is at its size limit"};
  auto active = std::make_unique<Active>();
  std::string freePath;
  auto file = takeFile(freePath);
  if (!file.ok()) return file.error();
  active->file = std::move(*file);
  SegmentHeader& header = active->header;
  header.queueId = queueId_;
  header.segment = nextSegment_;
  header.epoch = epoch_;
  header.salt = static_cast<uint32_t>(base::randomId());
  header.firstSequence = pending_.empty() ? nextSequence_ : pending_.front().sequence;
  header.previousSegment = previousSegment_;
  header.previousDurable = previousDurable_;
  header.createdNanos = clock_.wallNanos();
  active->path = pathOf(segmentName(header.segment));
  active->index.salt = header.salt;
  active->index.segment = header.segment;

  const base::Status made = prepare(*active, freePath);
  if (!made.ok()) {
    ++counts_.failedRolls;
    base::logError("queue: " + active->path + " not made: " + made.message());
    active->file.reset();
    const base::Status removed = fs_.remove(freePath);
    if (!removed.ok() && removed.code() != base::Errc::kNotFound) {
      base::logWarn("queue: " + removed.message());
    }
    return made;
  }
  removalUnsynced_ = false;
  ++nextSegment_;
  list_.add({header, active->path, kSegmentHeaderBytes, 0, header.createdNanos, false});
  active_ = std::move(active);
  return {};
}

base::Status QueueWriter::prepare(const Active& active, const std::string& freePath) {
  LOGTAIL_TRY(active.file->write(0, encodeSegmentHeader(active.header)));
  LOGTAIL_TRY(active.file->syncData());
  LOGTAIL_TRY(fs_.rename(freePath, active.path));
  return fs_.syncDirectory(options_.directory);
}

// A recycled file, or a new one with its space reserved.
base::Result<std::unique_ptr<base::File>> QueueWriter::takeFile(std::string& path) {
  while (!freeFiles_.empty()) {
    path = freeFiles_.back();
    freeFiles_.pop_back();
    auto file = fs_.open(path, base::OpenMode::kReadWrite);
    if (!file.ok()) continue;
    const auto info = (*file)->info();
    if (info.ok() && info->size == options_.segmentBytes) {
      ++counts_.segmentsRecycled;
      return file;
    }
    LOGTAIL_TRY(fs_.remove(path));
  }
  path = pathOf("free-" + std::to_string(nextFree_++) + ".seg");
  auto file = fs_.open(path, base::OpenMode::kCreate);
  if (!file.ok()) return file;
  const base::Status allocated = (*file)->allocate(options_.segmentBytes);
  if (!allocated.ok()) {
    file->reset();
    const base::Status removed = fs_.remove(path);
    if (!removed.ok()) base::logWarn("queue: " + removed.message());
    return allocated.error();
  }
  ++counts_.segmentsCreated;
  return file;
}

// The segment is full: its index is written, the next commit rolls.
void QueueWriter::sealActive() {
  Active& active = *active_;
  previousSegment_ = active.header.segment;
  previousDurable_ = active.durableEnd;
  list_.seal(active.header.segment);
  saveIndex(active.index);
  active_.reset();
}

// Not synced, and a failure stops nothing: an index can always be made again, and one that a crash
// spoilt does not check.
void QueueWriter::saveIndex(const SegmentIndex& index) {
  const std::string path = pathOf(indexName(index.segment));
  const auto write = [&]() -> base::Status {
    auto file = fs_.open(path + ".tmp", base::OpenMode::kCreate);
    if (!file.ok()) return file.error();
    LOGTAIL_TRY((*file)->truncate(0));
    LOGTAIL_TRY((*file)->write(0, encodeIndex(index)));
    return fs_.rename(path + ".tmp", path);
  };
  const base::Status written = write();
  if (!written.ok()) base::logWarn("queue: index not written: " + written.message());
}

base::Result<unsigned> QueueWriter::removeThrough(uint64_t sequence) {
  unsigned removed = 0;
  std::vector<SegmentInfo> segments = list_.snapshot().segments;
  // The newest one keeps the queue's sequence and epoch, also when nothing in it is wanted.
  if (!segments.empty()) segments.pop_back();
  for (const SegmentInfo& info : segments) {
    if (!info.sealed || info.lastSequence > sequence) break;
    LOGTAIL_TRY(retire(info));
    ++removed;
  }
  return removed;
}

// One removal is durable before the next: a hole between segments after a crash would look like
// loss. The last one need not be; what a crash brings back is let go again.
base::Status QueueWriter::retire(const SegmentInfo& info) {
  if (removalUnsynced_) LOGTAIL_TRY(fs_.syncDirectory(options_.directory));
  removalUnsynced_ = false;
  const base::Status index = fs_.remove(pathOf(indexName(info.header.segment)));
  if (!index.ok() && index.code() != base::Errc::kNotFound) return index;
  list_.remove(info.header.segment);  // before its file gets another life
  const bool reuse = freeFiles_.size() < options_.freeSegments;
  const std::string path = pathOf("free-" + std::to_string(nextFree_++) + ".seg");
  const base::Status gone = reuse ? fs_.rename(info.path, path) : fs_.remove(info.path);
  if (!gone.ok()) {
    list_.add(info);  // else the next removal would leave it behind, alone
    return gone;
  }
  if (reuse) freeFiles_.push_back(path);
  removalUnsynced_ = true;
  return {};
}

}  // namespace logtail::wal
