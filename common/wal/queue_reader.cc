#include "common/wal/queue_reader.h"

#include <algorithm>

namespace logtail::wal {

QueueReader::QueueReader(base::FileSystem& fs, const SegmentList& list, uint64_t sequence)
    : fs_(fs), list_(list), expected_(std::max<uint64_t>(sequence, 1)) {}

QueueReader::~QueueReader() = default;

const EntryView& QueueReader::entry() const {
  return walker_->entry();
}

void QueueReader::seek(uint64_t sequence) {
  expected_ = std::max<uint64_t>(sequence, 1);
  exact_ = true;
  walker_.reset();
  file_.reset();
}

// Opens the segment that holds expected_; false when there is none yet.
base::Result<bool> QueueReader::openSegment() {
  const auto found = list_.find(expected_);
  if (!found) return false;
  auto file = fs_.open(found->path, base::OpenMode::kRead);
  if (!file.ok()) {
    // Retention was faster than this look-up: the next one finds another segment.
    if (file.code() == base::Errc::kNotFound) return false;
    return file.error();
  }
  if (found->header.firstSequence > expected_) {
    if (exact_ || expected_ > 1) counts_.skippedEntries += found->header.firstSequence - expected_;
    expected_ = found->header.firstSequence;
  }
  info_ = *found;
  file_ = std::move(*file);
  walker_ = std::make_unique<SegmentWalker>(*file_, info_.header, 0, info_.readableBytes);
  return true;
}

// Goes on where the list says there is more; false when there is nothing more now.
bool QueueReader::advance() {
  const auto now = list_.get(info_.header.segment);
  if (!now) {  // retention took it
    walker_.reset();
    return list_.find(expected_).has_value();
  }
  if (now->readableBytes > info_.readableBytes) {
    info_ = *now;
    walker_->extend(now->readableBytes);
    return true;
  }
  if (!now->sealed) return false;
  const auto next = list_.after(info_.header.segment);
  if (!next) return false;
  if (info_.readableBytes > walker_->offset()) {
    counts_.damagedBytes += info_.readableBytes - walker_->offset();
  }
  if (next->header.firstSequence > expected_) {
    counts_.lostEntries += next->header.firstSequence - expected_;
    expected_ = next->header.firstSequence;
  }
  walker_.reset();
  return true;
}

base::Result<QueueReader::Next> QueueReader::next() {
  for (;;) {
    if (walker_ == nullptr) {
      const auto opened = openSegment();
      if (!opened.ok()) return opened.error();
      if (!*opened) return Next::kWait;
    }
    const auto found = walker_->next();
    if (!found.ok()) return found.error();
    if (*found == SegmentWalker::Found::kEnd) {
      if (!advance()) return Next::kWait;
      continue;
    }
    if (*found == SegmentWalker::Found::kDamage) {
      // Its file may have got a new life under this reader: that is no damage.
      if (!list_.get(info_.header.segment)) {
        walker_.reset();
      } else {
        counts_.damagedBytes += walker_->damage().bytes;
      }
      continue;
    }
    const EntryHeader& header = walker_->entry().header;
    // Before the start only descriptions are wanted: entries behind it may refer to them.
    if (header.sequence < expected_ && header.kind != EntryKind::kStream) continue;
    if (!isKnown(header.kind)) {
      if ((header.flags & kEntryCritical) != 0) return refuse(header);
      skip(header);
      continue;
    }
    skip(header);
    ++counts_.entries;
    counts_.bytes += header.storedBytes();
    return Next::kEntry;
  }
}

// Takes an entry as read.
void QueueReader::skip(const EntryHeader& header) {
  if (header.sequence > expected_) counts_.lostEntries += header.sequence - expected_;
  expected_ = std::max(expected_, header.completes() + 1);
  exact_ = true;
}

base::Error QueueReader::refuse(const EntryHeader& header) {
  const std::string kind = std::to_string(static_cast<unsigned>(header.kind));
  walker_.reset();  // the next call comes to the same entry
  return {base::Errc::kTooNew, info_.path + ": entry of kind " + kind + ", of a newer format"};
}

// The sequence of the last place in the segment before time `wallNanos`; the segment's first when
// that is not known. False when the next segment cannot be any better.
bool QueueReader::lastPlaceBefore(base::FileSystem& fs, const SegmentInfo& info, int64_t wallNanos,
                                  uint64_t& sequence) {
  sequence = info.header.firstSequence;
  if (!info.sealed) return false;
  const std::string path = base::directoryOf(info.path) + "/" + indexName(info.header.segment);
  const auto bytes = base::readFile(fs, path, kMaxIndexBytes);
  if (!bytes.ok()) return true;
  const auto index = decodeIndex(*bytes);
  if (!index.ok() || index->salt != info.header.salt) return true;
  for (const IndexPlace& place : index->places) {
    if (place.receivedNanos >= wallNanos) return false;  // also when the clock was set back later
    sequence = std::max(sequence, place.sequence);
  }
  return true;
}

uint64_t QueueReader::sequenceAt(base::FileSystem& fs, const SegmentList& list, int64_t wallNanos) {
  uint64_t sequence = 1;
  for (const SegmentInfo& info : list.snapshot().segments) {
    if (info.header.createdNanos >= wallNanos) break;
    if (!lastPlaceBefore(fs, info, wallNanos, sequence)) break;
  }
  return sequence;
}

}  // namespace logtail::wal
