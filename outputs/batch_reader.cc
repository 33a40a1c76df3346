#include "outputs/batch_reader.h"

#include <mutex>

#include "common/base/log.h"

namespace logtail::outputs {
namespace {

using base::Result;
using base::Status;

constexpr size_t kMinRecordColumns = 4;  // bytes of columns that every record takes
constexpr size_t kMaxSkipped = 1024;     // units that a batch passes over
constexpr size_t kDecoderBytes = 160 * 1024;
constexpr size_t kKeptRecords = 64 * 1024;  // capacity that a batch may keep for its next use

}  // namespace

uint64_t BatchLimits::memoryBytes() const {
  const size_t mostRecords = records + event::kMaxUnitRaw / kMinRecordColumns;
  return batches * (rawBytes + event::kMaxUnitRaw + mostRecords * sizeof(event::Record) +
                    units * kDecoderBytes);
}

// A batch with the memory that its records point into.
class BatchReader::Decoded final : public Batch {
 public:
  void reset() {
    blocks.clear();
    skipped.clear();
    rawBytes = 0;
    skippedAt_.clear();
    unitsUsed_ = skippedUnits_ = blocksUsed_ = records_ = 0;
    size_t kept = 0;
    for (const auto& each : blockRecords_) kept += each.capacity();
    if (kept > kKeptRecords) blockRecords_.clear();
  }
  bool isFull(const BatchLimits& limits) const {
    return rawBytes >= limits.rawBytes || records_ >= limits.records ||
           unitsUsed_ >= limits.units || skippedUnits_ >= kMaxSkipped;
  }
  event::UnitReader& nextUnit() {
    if (unitsUsed_ == units_.size()) units_.emplace_back();
    return units_[unitsUsed_++];
  }
  std::vector<event::Record>& nextBlock() {
    if (blocksUsed_ == blockRecords_.size()) blockRecords_.emplace_back();
    return blockRecords_[blocksUsed_++];
  }
  void took(size_t records) { records_ += records; }
  void skip(const event::BlockHeader& block) {
    const auto [at, isNew] = skippedAt_.try_emplace(block.stream, skipped.size());
    if (isNew) skipped.emplace_back(block.stream, Tally{});
    skipped[at->second].second += {block.records, block.recordBytes, block.digest};
  }
  void skippedUnit() { ++skippedUnits_; }

 private:
  std::unordered_map<event::StreamKey, size_t, event::StreamKeyHash> skippedAt_;  // in skipped
  std::vector<event::UnitReader> units_;
  std::vector<std::vector<event::Record>> blockRecords_;
  size_t unitsUsed_ = 0;
  size_t skippedUnits_ = 0;
  size_t blocksUsed_ = 0;
  size_t records_ = 0;
};

// Shared with every batch that is out, so that one may come home after its reader died.
struct BatchReader::Pool {
  std::mutex mutex;
  std::vector<std::unique_ptr<Decoded>> free;
  size_t out = 0;
  bool wanted = false;           // somebody was told that there is no room
  std::function<void()> onFree;  // empty once the reader died

  void giveBack(Decoded* batch) {
    std::unique_ptr<Decoded> owned(batch);
    const std::lock_guard lock(mutex);
    --out;
    if (!onFree) return;
    owned->reset();
    free.push_back(std::move(owned));
    if (std::exchange(wanted, false)) onFree();
  }
};

BatchReader::BatchReader(base::FileSystem& files, const wal::SegmentList& queue, uint64_t queueId,
                         BatchLimits limits, Describe describe, std::function<void()> onFree)
    : queueId_(queueId),
      limits_(limits),
      describe_(std::move(describe)),
      reader_(files, queue, 1),
      pool_(std::make_shared<Pool>()) {
  pool_->onFree = std::move(onFree);
}

BatchReader::~BatchReader() {
  const std::lock_guard lock(pool_->mutex);
  pool_->onFree = nullptr;
}

std::shared_ptr<BatchReader::Decoded> BatchReader::acquire() {
  const std::lock_guard lock(pool_->mutex);
  if (pool_->out >= limits_.batches) {
    pool_->wanted = true;
    return nullptr;
  }
  ++pool_->out;
  std::unique_ptr<Decoded> batch;
  if (pool_->free.empty()) {
    batch = std::make_unique<Decoded>();
  } else {
    batch = std::move(pool_->free.back());
    pool_->free.pop_back();
  }
  return {batch.release(), [pool = pool_](Decoded* each) { pool->giveBack(each); }};
}

void BatchReader::seek(const wal::Position& position) {
  ready_.reset();
  frame_.reset();
  position_ = position;
  position_.queueId = queueId_;
  resumeUnit_ = position.unit;
  reader_.seek(position.sequence);
  known_.clear();
  before_.clear();
  segment_ = 0;
}

Result<BatchReader::Next> BatchReader::next(uint64_t skipThrough) {
  std::shared_ptr<Decoded> batch = acquire();
  if (batch == nullptr) return Next::kNoRoom;
  batch->before = position_;
  while (!batch->isFull(limits_)) {
    if (frame_) {
      takeUnit(skipThrough, *batch);
      continue;
    }
    const auto more = nextEntry();
    // What came before the error is handed out; the next call meets it again.
    if (!more.ok() && position_ == batch->before) return more.error();
    if (!more.ok() || !*more) break;
  }
  if (position_ == batch->before) return Next::kWait;
  batch->after = position_;
  ready_ = std::move(batch);
  return Next::kBatch;
}

BatchPtr BatchReader::take() {
  return std::exchange(ready_, nullptr);
}

// False when nothing durable follows.
Result<bool> BatchReader::nextEntry() {
  const auto next = reader_.next();
  if (!next.ok()) return next.error();
  if (*next == wal::QueueReader::Next::kWait) return false;
  const wal::EntryView& entry = reader_.entry();
  if (reader_.segment() != segment_) {
    segment_ = reader_.segment();
    before_ = std::exchange(known_, {});
  }
  if (entry.header.kind == wal::EntryKind::kStream) learn(entry.payload);
  if (entry.header.sequence < position_.sequence) return true;
  position_.epoch = entry.header.epoch;
  if (entry.header.kind == wal::EntryKind::kFrame) {
    // What the place was within an entry that is gone says nothing of the one behind it.
    if (entry.header.sequence > position_.sequence) resumeUnit_ = 0;
    position_.sequence = entry.header.sequence;
    openFrame(entry);
    return true;
  }
  const uint64_t behind = entry.header.completes() + 1;
  if (behind <= position_.sequence) return true;
  position_.sequence = behind;
  position_.unit = position_.record = 0;
  resumeUnit_ = 0;
  return true;
}

void BatchReader::openFrame(const wal::EntryView& entry) {
  auto frame = wal::decodeFrame(entry.payload);
  OpenFrame open;
  open.sequence = entry.header.sequence;
  open.skipUnits = std::exchange(resumeUnit_, 0);
  if (frame.ok()) {
    open.frame = std::move(*frame);
  } else {
    undecodable(frame.message());
  }
  frame_ = std::move(open);
}

// Takes the next unit of the open frame, or closes it when there is none.
void BatchReader::takeUnit(uint64_t skipThrough, Decoded& batch) {
  OpenFrame& open = *frame_;
  const std::string_view rest = open.frame.units.substr(open.offset);
  const auto header =
      rest.empty() ? Result<event::UnitHeader>(base::Errc::kNotFound, "") : event::peekUnit(rest);
  if (!header.ok()) {
    if (!rest.empty()) undecodable(header.message());
    position_.sequence = open.sequence + 1;
    position_.unit = position_.record = 0;
    frame_.reset();
    return;
  }
  const auto view = event::UnitView::parse(rest.substr(0, header->size));
  open.offset += header->size;
  const uint32_t unit = open.unit++;
  if (!view.ok()) {
    undecodable(view.message());
    open.verdict += header->blocks;
  } else if (unit < open.skipUnits) {
    open.verdict += view->blocks().size();
  } else if (open.sequence <= skipThrough) {
    for (const event::BlockHeader& block : view->blocks()) {
      const size_t at = open.verdict++;
      if (at < open.frame.envelope.verdicts.size() &&
          wal::isAccepted(open.frame.envelope.verdicts[at])) {
        batch.skip(block);
      }
    }
    batch.skippedUnit();
  } else {
    decode(*view, batch);
  }
  position_.unit = open.unit;
}

void BatchReader::decode(const event::UnitView& view, Decoded& batch) {
  OpenFrame& open = *frame_;
  const auto& verdicts = open.frame.envelope.verdicts;
  const size_t first = open.verdict;
  open.verdict += view.blocks().size();
  const auto accepts = [&](size_t index) {
    return first + index < verdicts.size() && wal::isAccepted(verdicts[first + index]);
  };
  bool any = false;
  for (size_t i = 0; i < view.blocks().size(); ++i) {
    any = any || (accepts(i) && view.blocks()[i].records > 0);
  }
  if (!any) return;
  event::UnitReader& unit = batch.nextUnit();
  if (const Status opened = unit.open(view); !opened.ok()) return undecodable(opened.message());
  batch.rawBytes += view.header().rawBytes;
  for (size_t i = 0; i < view.blocks().size(); ++i) {
    const event::BlockHeader& header = view.blocks()[i];
    if (!accepts(i) || header.records == 0) continue;
    std::vector<event::Record>& records = batch.nextBlock();
    if (const Status read = unit.readBlock(i, records); !read.ok()) {
      undecodable(read.message());
      continue;
    }
    batch.took(records.size());
    batch.blocks.push_back({descriptionOf(header.stream), header, records});
  }
}

void BatchReader::undecodable(const std::string& why) {
  if (undecodableUnits_++ > 0) return;
  base::logError("queue entry " + std::to_string(position_.sequence) +
                 " holds a unit that does not decode and is left out: " + why);
}

void BatchReader::learn(std::string_view payload) {
  auto entry = wal::decodeStreamEntry(payload);
  if (!entry.ok()) return undecodable(entry.message());
  Known& known = known_[entry->key];
  if (known.description != nullptr && known.encoded == entry->description) return;
  if (const auto at = before_.find(entry->key);
      at != before_.end() && at->second.encoded == entry->description) {
    known = at->second;
    return;
  }
  auto description = event::decodeStreamDescription(entry->description);
  // The queue's writer did not know it either: descriptionOf() asks once more.
  if (!description.ok() || description->pod.empty()) return;
  known.description = std::make_shared<event::StreamDescription>(std::move(*description));
  known.encoded = std::move(entry->description);
}

BatchReader::DescriptionPtr BatchReader::descriptionOf(const event::StreamKey& key) {
  Known& known = known_[key];
  if (known.description != nullptr) return known.description;
  if (const auto at = before_.find(key); at != before_.end() && at->second.description != nullptr) {
    known = at->second;
    return known.description;
  }
  auto found = event::decodeStreamDescription(describe_ ? describe_(key) : "");
  if (!found.ok() || found->pod.empty()) {
    event::StreamDescription unknown;
    unknown.namespaceName = "unknown";
    unknown.pod = toString(key);
    unknown.container = "unknown";
    found = std::move(unknown);
  }
  known.description = std::make_shared<event::StreamDescription>(std::move(*found));
  return known.description;
}

}  // namespace logtail::outputs
