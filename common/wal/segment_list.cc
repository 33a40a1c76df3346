#include "common/wal/segment_list.h"

#include <algorithm>

namespace logtail::wal {

std::optional<SegmentInfo> SegmentList::find(uint64_t sequence) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [number, info] : segments_) {
    if (info.lastSequence >= sequence || !info.sealed) return info;
  }
  return std::nullopt;
}

std::optional<SegmentInfo> SegmentList::after(uint64_t segment) const {
  const std::lock_guard lock(mutex_);
  const auto next = segments_.upper_bound(segment);
  if (next == segments_.end()) return std::nullopt;
  return next->second;
}

std::optional<SegmentInfo> SegmentList::get(uint64_t segment) const {
  const std::lock_guard lock(mutex_);
  const auto at = segments_.find(segment);
  if (at == segments_.end()) return std::nullopt;
  return at->second;
}

SegmentList::Snapshot SegmentList::snapshot() const {
  const std::lock_guard lock(mutex_);
  Snapshot snapshot;
  snapshot.durableSequence = durable_;
  for (const auto& [number, info] : segments_) snapshot.segments.push_back(info);
  return snapshot;
}

size_t SegmentList::size() const {
  const std::lock_guard lock(mutex_);
  return segments_.size();
}

uint64_t SegmentList::durableSequence() const {
  const std::lock_guard lock(mutex_);
  return durable_;
}

uint64_t SegmentList::oldestSequence() const {
  const std::lock_guard lock(mutex_);
  return segments_.empty() ? 0 : segments_.begin()->second.header.firstSequence;
}

bool SegmentList::waitAbove(uint64_t sequence, base::Nanos timeout) const {
  std::unique_lock lock(mutex_);
  moved_.wait_for(lock, timeout, [&] { return stopped_ || durable_ > sequence; });
  return !stopped_;
}

uint64_t SegmentList::subscribe(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wakes_.emplace(nextWake_, std::move(wake));
  return nextWake_++;
}

void SegmentList::unsubscribe(uint64_t id) {
  const std::lock_guard lock(mutex_);
  wakes_.erase(id);
}

void SegmentList::add(SegmentInfo info) {
  const std::lock_guard lock(mutex_);
  const uint64_t number = info.header.segment;
  segments_.insert_or_assign(number, std::move(info));
}

void SegmentList::publish(uint64_t segment, uint64_t readableBytes, uint64_t durableSequence,
                          int64_t nowNanos) {
  const std::lock_guard lock(mutex_);
  SegmentInfo& info = segments_.at(segment);
  info.readableBytes = readableBytes;
  info.lastSequence = durableSequence;
  info.newestNanos = nowNanos;
  durable_ = std::max(durable_, durableSequence);
  moved_.notify_all();
  for (const auto& [id, wake] : wakes_) wake();
}

void SegmentList::seal(uint64_t segment) {
  const std::lock_guard lock(mutex_);
  const auto at = segments_.find(segment);
  if (at != segments_.end()) at->second.sealed = true;
}

void SegmentList::remove(uint64_t segment) {
  const std::lock_guard lock(mutex_);
  segments_.erase(segment);
}

void SegmentList::setDurable(uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  durable_ = std::max(durable_, sequence);
  moved_.notify_all();
}

void SegmentList::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  moved_.notify_all();
  for (const auto& [id, wake] : wakes_) wake();
}

}  // namespace logtail::wal
