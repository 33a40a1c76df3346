#include "common/wal/commit_log.h"

#include <utility>

#include "common/base/log.h"

namespace logtail::wal {
namespace {

size_t weight(const Entry& entry) {
  return kEntryHeaderBytes + entry.payloadBytes();
}

}  // namespace

CommitLog::CommitLog(std::unique_ptr<QueueWriter> writer, SegmentList& list, Options options)
    : writer_(std::move(writer)),
      list_(list),
      options_(options),
      queueId_(writer_->queueId()),
      epoch_(writer_->epoch()),
      firstSequence_(writer_->nextSequence()),
      nextSequence_(firstSequence_),
      thread_([this] { loop(); }) {}

CommitLog::~CommitLog() {
  stop();
}

base::Result<uint64_t> CommitLog::append(Entry entry, DurableCallback durable) {
  const size_t bytes = weight(entry);
  std::unique_lock lock(mutex_);
  if (refused_ || stopped_) return base::Error{base::Errc::kStop, "the queue is closed"};
  if (full_ || (waitingBytes_ > 0 && waitingBytes_ + bytes > options_.highWatermarkBytes)) {
    roomWanted_ = true;
    return base::Error{base::Errc::kPushBack,
                       full_ ? "the queue has no room" : "the queue's disk is behind"};
  }
  const uint64_t sequence = nextSequence_++;
  waitingBytes_ += bytes;
  const bool wasLess = fillingBytes_ < options_.gatherBytes;
  fillingBytes_ += bytes;
  filling_.push_back({sequence, std::move(entry), std::move(durable)});
  const bool wake = idle_ || (wasLess && fillingBytes_ >= options_.gatherBytes);
  idle_ = false;  // told once
  lock.unlock();  // else who wakes up waits for it again
  if (wake) wake_.notify_one();
  return sequence;
}

void CommitLog::setOnRoom(std::function<void()> onRoom) {
  const std::lock_guard lock(mutex_);
  onRoom_ = std::move(onRoom);
}

void CommitLog::run(std::function<void(QueueWriter&)> task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  wake_.notify_one();
}

void CommitLog::stop() {
  {
    const std::lock_guard lock(mutex_);
    refused_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

uint64_t CommitLog::appendedSequence() const {
  const std::lock_guard lock(mutex_);
  return nextSequence_ - 1;
}

CommitLog::Counts CommitLog::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.waitingBytes = waitingBytes_;
  counts.full = full_;
  counts.stopped = stopped_;
  return counts;
}

void CommitLog::waitForWork(std::unique_lock<std::mutex>& lock) {
  const auto isUrgent = [&] { return !tasks_.empty() || refused_; };
  if (full_) {
    wake_.wait_for(lock, options_.retryInterval, isUrgent);
    return;
  }
  const auto waitForFirst = [&] {
    idle_ = true;
    wake_.wait(lock, [&] { return !filling_.empty() || isUrgent(); });
    idle_ = false;
  };
  // Under load more is sure to come: sleeping once is enough.
  const bool large = lastBytes_ >= options_.largeBytes;
  if (!large) waitForFirst();
  wake_.wait_until(lock, began_ + (large ? options_.gatherAfterLarge : options_.gather),
                   [&] { return fillingBytes_ >= options_.gatherBytes || isUrgent(); });
  if (large) waitForFirst();
}

void CommitLog::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    waitForWork(lock);
    began_ = std::chrono::steady_clock::now();
    std::vector<Waiting> generation;
    std::vector<std::function<void(QueueWriter&)>> tasks;
    generation.swap(filling_);
    lastBytes_ = std::exchange(fillingBytes_, 0);
    tasks.swap(tasks_);
    const bool closing = refused_;
    lock.unlock();
    for (const auto& task : tasks) task(*writer_);
    commitGeneration(generation);
    lock.lock();
    counts_.queue = writer_->counts();
    counts_.usedBytes = writer_->usedBytes();
    if (closing && filling_.empty()) break;
  }
  lock.unlock();
  writeMark();
  // What could not be written for want of room was never acknowledged: its owners still have it.
  finish({base::Errc::kStop, "the queue is closed"});
  list_.stop();
  lock.lock();
  stopped_ = true;
}

void CommitLog::commitGeneration(std::vector<Waiting>& generation) {
  for (Waiting& waiting : generation) {
    committingBytes_ += weight(waiting.entry);
    callbacks_.emplace_back(waiting.sequence, std::move(waiting.durable));
    writer_->append(waiting.sequence, std::move(waiting.entry));
  }
  const base::Status status = writer_->commit();
  if (!status.ok() && status.code() == base::Errc::kPushBack) {
    const std::lock_guard lock(mutex_);
    if (!full_) base::logWarn("queue: " + status.message() + "; agents wait");
    full_ = true;
    return;
  }
  finish(status);
  std::function<void()> onRoom;
  {
    const std::lock_guard lock(mutex_);
    if (!status.ok()) {
      stopped_ = true;
      base::logError("queue: acknowledging stopped: " + status.message());
    }
    full_ = false;
    waitingBytes_ -= committingBytes_;
    if (roomWanted_ && waitingBytes_ <= options_.highWatermarkBytes / 2) {
      roomWanted_ = false;
      onRoom = onRoom_;
    }
  }
  committingBytes_ = 0;
  if (onRoom) onRoom();
}

// Carries the durable mark of the last entry, which no later entry would tell otherwise.
void CommitLog::writeMark() {
  if (writer_->nextSequence() == firstSequence_ || writer_->pendingEntries() > 0) return;
  Entry mark;
  mark.kind = EntryKind::kMark;
  writer_->append(writer_->nextSequence(), std::move(mark));
  const base::Status written = writer_->commit();
  if (!written.ok()) base::logWarn("queue: closing mark not written: " + written.message());
}

void CommitLog::finish(const base::Status& status) {
  for (auto& [sequence, durable] : callbacks_) {
    if (durable) durable(status, sequence);
  }
  callbacks_.clear();
}

}  // namespace logtail::wal
