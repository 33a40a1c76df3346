#pragma once
// Which segments there are and how far each may be read: shared by the writer and all readers.
//
// Flow: QueueWriter publishes, QueueReader looks up. Owned by whoever owns the queue; outlives its
// readers. Any thread; one lock, held for look-ups only. Readers wait here for the durable mark to
// move, so nothing polls.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/wal/segment.h"

namespace logtail::wal {

struct SegmentInfo {
  SegmentHeader header;
  std::string path;
  uint64_t readableBytes = kSegmentHeaderBytes;  // durable entries end here
  uint64_t lastSequence = 0;                     // 0: no entry yet
  int64_t newestNanos = 0;                       // wall clock when it was last written to
  bool sealed = false;
};

class SegmentList {
 public:
  struct Snapshot {
    uint64_t durableSequence = 0;
    std::vector<SegmentInfo> segments;  // oldest first
  };

  // --- readers ---
  // The segment that holds `sequence`, or the oldest one behind it; nothing when all are before it.
  std::optional<SegmentInfo> find(uint64_t sequence) const;
  // The segment behind number `segment`; nothing when that is the newest.
  std::optional<SegmentInfo> after(uint64_t segment) const;
  std::optional<SegmentInfo> get(uint64_t segment) const;
  Snapshot snapshot() const;
  size_t size() const;  // segments
  uint64_t durableSequence() const;
  uint64_t oldestSequence() const;  // of the oldest segment; 0 without any
  // Waits until the mark is above `sequence`, stop() was called or `timeout` has passed.
  // False when stopped.
  bool waitAbove(uint64_t sequence, base::Nanos timeout) const;
  // Calls `wake` on the writer's thread after every move of the mark; it must not block or call
  // back. Returns an id for unsubscribe().
  uint64_t subscribe(std::function<void()> wake);
  void unsubscribe(uint64_t id);

  // --- the writer ---
  void add(SegmentInfo info);
  void publish(uint64_t segment, uint64_t readableBytes, uint64_t durableSequence,
               int64_t nowNanos);
  void seal(uint64_t segment);
  void remove(uint64_t segment);
  void setDurable(uint64_t sequence);
  void stop();

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable moved_;
  std::map<uint64_t, SegmentInfo> segments_;  // by number
  std::map<uint64_t, std::function<void()>> wakes_;
  uint64_t nextWake_ = 1;
  uint64_t durable_ = 0;
  bool stopped_ = false;
};

}  // namespace logtail::wal
