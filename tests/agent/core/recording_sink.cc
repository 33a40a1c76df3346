#include "tests/agent/core/recording_sink.h"

namespace logtail::agent::test {

bool RecordingSink::offer(SealedUnit& unit) {
  const std::lock_guard lock(mutex_);
  if (blocked_) return false;
  const auto view = event::UnitView::parse(unit.bytes);
  if (!view.ok() || !event::checkUnit(unit.bytes).ok()) {
    violations_ += "a unit that does not parse\n";
    return true;
  }
  event::UnitReader reader;
  std::vector<event::Record> records;
  if (!reader.open(*view).ok()) violations_ += "a body that does not decode\n";
  for (size_t i = 0; i < view->blocks().size(); ++i) {
    if (!reader.readBlock(i, records).ok()) violations_ += "columns that do not decode\n";
    take(view->blocks()[i], records);
  }
  if (acknowledge_ && worker_ != nullptr) {
    worker_->acknowledged(std::make_shared<const std::vector<event::BlockHeader>>(unit.blocks));
  };
  moved_.notify_all();
  SealedUnit(std::move(unit));
  return true;
}

void RecordingSink::take(const event::BlockHeader& block,
                         const std::vector<event::Record>& records) {
  StreamBook& book = books_[block.stream];
  const event::GenerationResume* known = book.resume.find(block.generation);
  const uint64_t to = known == nullptr ? 0 : known->to;
  if (block.from != to && known != nullptr) {
    violations_ +=
        "from " + std::to_string(block.from) + " where " + std::to_string(to) + " was reached\n";
  }
  const uint64_t openBefore = book.resume.channels[0].openBytes + book.resume.channels[1].openBytes;
  if (openBefore + block.to - block.from !=
      block.recordBytes + block.dropBytes() + block.lostBytes + block.openBytes()) {
    violations_ += "the block law is broken\n";
  }
  uint64_t digest = 0;
  for (const event::Record& r : records) {
    digest += event::recordDigest(event::identitySeed(block.stream, r.generation), r.offset,
                                  r.timeNanos, r.flags, base::hash64(r.message));
    book.records.push_back({std::string(r.message), r.flags});
  }
  if (digest != block.digest) violations_ += "digest\n";
  book.recordBytes += block.recordBytes;
  book.dropBytes += block.dropBytes();
  book.lostBytes += block.lostBytes;
  if (block.lostBytes > 0 || (block.flags & event::kBlockTailLost) != 0) {
    book.lossBlocks.push_back(block);
  }
  book.lateBlocks += (block.flags & event::kBlockLate) != 0;
  book.doubtfulBlocks += (block.flags & event::kBlockInDoubt) != 0;
  book.consumed += block.to - block.from;
  book.resume.advance(block);
}

void RecordingSink::announce(const event::StreamDescription& description) {
  const std::lock_guard lock(mutex_);
  StreamBook& book = books_[description.key()];
  const bool firstEver = book.resume.empty();
  book.description = description;
  if (!silent_) worker_->resume(description.key(), book.resume, std::nullopt, firstEver);
  moved_.notify_all();
}

void RecordingSink::answerAll() {
  const std::lock_guard lock(mutex_);
  silent_ = false;
  for (const auto& [key, book] : books_) {
    if (!book.ended) worker_->resume(key, book.resume, std::nullopt, false);
  }
}

void RecordingSink::end(const event::StreamKey& key) {
  const std::lock_guard lock(mutex_);
  books_[key].ended = true;
  moved_.notify_all();
}

bool RecordingSink::waitFor(
    const std::function<bool(const std::map<event::StreamKey, StreamBook>&)>& done) {
  std::unique_lock lock(mutex_);
  return moved_.wait_for(lock, std::chrono::seconds(30), [&] { return done(books_); });
}

RecordingSink::StreamBook RecordingSink::book(const std::string& pod, uint32_t restart) {
  const std::lock_guard lock(mutex_);
  for (const auto& [key, book] : books_) {
    if (book.description.pod == pod && book.description.restart == restart) return book;
  }
  return {};
}

std::vector<std::string> RecordingSink::messages(const std::string& pod, uint32_t restart) {
  std::vector<std::string> out;
  for (const SeenRecord& record : book(pod, restart).records) out.push_back(record.message);
  return out;
}

bool RecordingSink::waitForCount(const std::string& pod, size_t records, uint32_t restart) {
  return waitFor([&](const auto& books) {
    for (const auto& [key, book] : books) {
      if (book.description.pod == pod && book.description.restart == restart) {
        return book.records.size() >= records;
      }
    }
    return false;
  });
}

}  // namespace logtail::agent::test
