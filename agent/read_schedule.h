#pragma once
// Whose turn it is: dirty streams in a fair order, streams that want to be called at a time, and
// the cap on how fast the worker reads.
//
// Owned by a TailWorker, which forgets a stream here before it removes it. Thread: the worker's.

#include <deque>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "agent/stream_registry.h"
#include "common/base/clock.h"

namespace logtail::agent {

class ReadSchedule {
 public:
  explicit ReadSchedule(uint64_t bytesPerSecond) : rate_(static_cast<double>(bytesPerSecond)) {}

  // --- turns: each stream is in the queue at most once ---
  bool empty() const { return queue_.empty(); }
  void enqueue(FollowedStream& stream);
  FollowedStream* next();  // null when nothing is dirty

  // --- times: each stream has at most one, the last that was set ---
  void wakeAt(FollowedStream& stream, std::optional<base::Nanos> when);
  std::optional<base::Nanos> nextWake() const;
  std::vector<FollowedStream*> takeDue(base::Nanos now);

  // --- the cap, a token bucket of a tenth of a second; without one always true ---
  bool mayRead(base::Nanos now);
  void spent(uint64_t bytes) { tokens_ -= static_cast<double>(bytes); }

  void forget(FollowedStream& stream);
  void clear();  // the turns

 private:
  const double rate_;
  std::deque<FollowedStream*> queue_;
  std::set<std::pair<base::Nanos, FollowedStream*>> waits_;
  double tokens_ = 0;
  base::Nanos refilled_{};
};

}  // namespace logtail::agent
