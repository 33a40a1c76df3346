#include "agent/read_schedule.h"

#include <algorithm>

namespace logtail::agent {

void ReadSchedule::enqueue(FollowedStream& stream) {
  if (std::exchange(stream.queued, true)) return;
  queue_.push_back(&stream);
}

FollowedStream* ReadSchedule::next() {
  if (queue_.empty()) return nullptr;
  FollowedStream* stream = queue_.front();
  queue_.pop_front();
  stream->queued = false;
  return stream;
}

void ReadSchedule::wakeAt(FollowedStream& stream, std::optional<base::Nanos> when) {
  if (stream.wakesAt == when) return;
  if (stream.wakesAt) waits_.erase({*stream.wakesAt, &stream});
  stream.wakesAt = when;
  if (when) waits_.emplace(*when, &stream);
}

std::optional<base::Nanos> ReadSchedule::nextWake() const {
  if (waits_.empty()) return std::nullopt;
  return waits_.begin()->first;
}

std::vector<FollowedStream*> ReadSchedule::takeDue(base::Nanos now) {
  std::vector<FollowedStream*> due;
  while (!waits_.empty() && waits_.begin()->first <= now) {
    due.push_back(waits_.begin()->second);
    due.back()->wakesAt.reset();
    waits_.erase(waits_.begin());
  }
  return due;
}

bool ReadSchedule::mayRead(base::Nanos now) {
  if (rate_ == 0) return true;
  const double passed = std::chrono::duration<double>(now - refilled_).count();
  tokens_ = std::min(rate_ / 10, tokens_ + rate_ * passed);
  refilled_ = now;
  return tokens_ > 0;
}

void ReadSchedule::forget(FollowedStream& stream) {
  wakeAt(stream, std::nullopt);
  if (std::exchange(stream.queued, false)) std::erase(queue_, &stream);
}

void ReadSchedule::clear() {
  for (FollowedStream* stream : queue_) stream->queued = false;
  queue_.clear();
}

}  // namespace logtail::agent
