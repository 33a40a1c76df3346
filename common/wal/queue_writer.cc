#include "common/wal/queue_writer.h"

#include <algorithm>

#include "common/base/checksum.h"
#include "common/base/log.h"

namespace logtail::wal {
namespace {

constexpr std::string_view kPadding("\0\0\0\0\0\0\0", 7);

}  // namespace

// What goes to the file with one vectored write. Headers and stream payloads live in `owned`, in
// blocks that never move; heads and bodies stay where the entries hold them.
struct QueueWriter::Batch {
  std::deque<std::string> owned;
  std::vector<std::string_view> parts;
  uint64_t start = 0;
  uint64_t end = 0;
  uint64_t lastSequence = 0;
};

QueueWriter::QueueWriter(base::FileSystem& fs, base::Clock& clock, SegmentList& list,
                         QueueOptions options, Describe describe)
    : fs_(fs),
      clock_(clock),
      list_(list),
      options_(std::move(options)),
      describe_(std::move(describe)) {}

QueueWriter::~QueueWriter() = default;

base::Result<std::unique_ptr<QueueWriter>> QueueWriter::open(base::FileSystem& fs,
                                                             base::Clock& clock, SegmentList& list,
                                                             QueueOptions options,
                                                             Describe describe,
                                                             RecoveryReport& report) {
  std::unique_ptr<QueueWriter> writer(
      new QueueWriter(fs, clock, list, std::move(options), std::move(describe)));
  LOGTAIL_TRY(writer->recover(report));
  return writer;
}

void QueueWriter::append(uint64_t sequence, Entry entry) {
  LOGTAIL_ASSERT(sequence == nextSequence_);
  LOGTAIL_ASSERT(entry.payloadBytes() <= kMaxEntryPayload);
  ++nextSequence_;
  pending_.push_back({sequence, std::move(entry)});
}

base::Status QueueWriter::commit() {
  if (stopped_) return {base::Errc::kStop, "the queue's disk cannot be trusted any more"};
  unsigned failures = 0;
  while (!pending_.empty()) {
    size_t next = 0;
    base::Status done = active_ == nullptr ? roll() : writeSome(next);
    if (done.ok() && next > 0) {
      pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(next));
      if (!pending_.empty()) sealActive();  // the next entry did not fit
    }
    if (done.ok()) {
      if (next > 0) failures = 0;
      continue;
    }
    if (active_ != nullptr) {
      condemn(done);
    } else if (done.code() == base::Errc::kPushBack) {
      return done;
    }
    // A second failure in a row is no accident of one file.
    if (++failures > 1) {
      stopped_ = true;
      list_.stop();
      return {base::Errc::kStop, done.message()};
    }
  }
  ++counts_.commits;
  return {};
}

// Writes and syncs pending entries as far as the active segment has room; `next` is then the first
// one that is not durable.
base::Status QueueWriter::writeSome(size_t& next) {
  Active& active = *active_;
  Batch batch;
  batch.start = batch.end = active.end;
  size_t staged = 0;
  while (staged < pending_.size() && stageEntry(batch, pending_[staged])) ++staged;
  if (staged == 0) {
    sealActive();
    return {};
  }
  LOGTAIL_TRY(active.file->writeAt(batch.start, batch.parts));
  active.end = batch.end;
  if (options_.sync) {
    ++counts_.syncs;
    LOGTAIL_TRY(active.file->syncData());
  }
  active.durableEnd = active.end;
  durableSequence_ = batch.lastSequence;
  counts_.entries += staged;
  counts_.bytes += batch.end - batch.start;
  list_.publish(active.header.segment, active.durableEnd, durableSequence_, clock_.wallNanos());
  next = staged;
  return {};
}

// False when the entry, with the descriptions it needs here, does not fit any more.
bool QueueWriter::stageEntry(Batch& batch, const Pending& pending) {
  Active& active = *active_;
  std::vector<std::string> descriptions;
  uint64_t bytes = kEntryHeaderBytes + pending.entry.payloadBytes() + 7;
  std::vector<event::StreamKey> fresh;
  for (const StreamSpan& span : pending.entry.streams) {
    if (active.described.contains(span.key) ||
        std::find(fresh.begin(), fresh.end(), span.key) != fresh.end()) {
      continue;
    }
    fresh.push_back(span.key);
    descriptions.push_back(encodeStreamEntry({span.key, describe_(span.key), {}}));
    bytes += kEntryHeaderBytes + descriptions.back().size() + 7;
  }
  if (batch.end + bytes > options_.segmentBytes && batch.end > kSegmentHeaderBytes) return false;
  for (size_t i = 0; i < fresh.size(); ++i) {
    active.described.insert(fresh[i]);
    Entry description;
    description.kind = EntryKind::kStream;
    description.flags = kEntryAuxiliary;
    description.body = batch.owned.emplace_back(std::move(descriptions[i]));
    // It takes the sequence of the entry that it stands before.
    stage(batch, description, pending.sequence, 0);
  }
  const Entry& entry = pending.entry;
  if (entry.kind == EntryKind::kStream && entry.head.size() >= 16) {
    const auto stream = decodeStreamEntry(entry.head);
    if (stream.ok()) active.described.insert(stream->key);
  }
  stage(batch, entry, pending.sequence, clock_.wallNanos());
  return true;
}

// `entry` and what it refers to stay until the batch is written.
void QueueWriter::stage(Batch& batch, const Entry& entry, uint64_t sequence,
                        int64_t receivedNanos) {
  Active& active = *active_;
  EntryHeader header;
  header.length = static_cast<uint32_t>(entry.payloadBytes());
  header.sequence = sequence;
  header.durable = durableSequence_;
  header.kind = entry.kind;
  header.flags = entry.flags;
  header.epoch = epoch_;
  const uint32_t headCrc = base::crc32c(entry.head, active.header.salt);
  header.payloadCrc = entry.bodyCrc ? base::crc32cOf(headCrc, *entry.bodyCrc, entry.body.size())
                                    : base::crc32c(entry.body, headCrc);
  std::string& stored = batch.owned.emplace_back(kEntryHeaderBytes, '\0');
  storeEntryHeader(header, active.header.salt, stored.data());
  batch.parts.push_back(stored);
  if (!entry.head.empty()) batch.parts.push_back(entry.head);
  batch.parts.push_back(entry.body);
  const uint64_t used = kEntryHeaderBytes + uint64_t{header.length};
  batch.parts.push_back(kPadding.substr(0, header.storedBytes() - used));
  active.index.add(batch.end, header, receivedNanos, entry.streams);
  batch.end += header.storedBytes();
  batch.lastSequence = sequence;
}

// The segment's descriptor is not trusted any more: what it held durably stays readable, what is
// pending goes to a successor whose header says how far this one may be read.
void QueueWriter::condemn(const base::Status& why) {
  ++counts_.syncFailures;
  ++counts_.condemnedSegments;
  base::logError("queue: segment " + active_->path + " condemned: " + why.message());
  previousSegment_ = active_->header.segment;
  previousDurable_ = active_->durableEnd;
  list_.seal(active_->header.segment);
  active_.reset();
}

}  // namespace logtail::wal
