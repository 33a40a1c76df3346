#pragma once
// The streams a worker follows, and which watched directory is whose.
//
// Flow: ContainerDirectory's changes -> add() / remove(); InotifyWatcher's cookies -> streamsIn().
// Owned by a TailWorker; the watcher must outlive it. Thread: the worker's. References to a
// FollowedStream live until it is removed.

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/inotify_watcher.h"
#include "agent/stream_tailer.h"
#include "common/wire/messages.h"

namespace logtail::agent {

// What a stream takes of the budget, whatever it does: its tailer with one file, the names of it in
// directory, registry and watcher, and what the shipper and the checkpoint know of it. Measured
// with 10,000 of them (agent/README.md).
inline constexpr uint64_t kStreamBytes = 5120;

struct FollowedStream {
  base::MemoryBudget::Reservation memory;
  std::unique_ptr<StreamTailer> tailer;
  uint32_t cookie = 0;  // of its watched directory; 0: that is gone
  bool presentAtStart = false;
  bool queued = false;                 // ReadSchedule's
  std::optional<base::Nanos> wakesAt;  // ReadSchedule's
  wire::StreamStats told;
};

class StreamRegistry {
 public:
  using Streams = std::unordered_map<event::StreamKey, FollowedStream, event::StreamKeyHash>;
  static constexpr uint32_t kNoDirectory = 0;  // the cookie of none, free for the caller's own use

  explicit StreamRegistry(InotifyWatcher& watcher) : watcher_(watcher) {}

  FollowedStream* find(const event::StreamKey& key);
  // The stream must be new. Without its directory the cookie stays kNoDirectory.
  FollowedStream& add(std::unique_ptr<StreamTailer> tailer, base::MemoryBudget::Reservation memory);
  void remove(const event::StreamKey& key);

  const std::vector<FollowedStream*>& streamsIn(uint32_t cookie) const;
  Streams& all() { return streams_; }
  size_t size() const { return streams_.size(); }

 private:
  struct Directory {
    std::string path;
    std::vector<FollowedStream*> streams;  // one for each restart
  };
  uint32_t watch(const std::string& path, FollowedStream& stream);

  InotifyWatcher& watcher_;
  Streams streams_;
  std::unordered_map<uint32_t, Directory> directories_;     // by cookie
  std::unordered_map<std::string_view, uint32_t> cookies_;  // by Directory::path
  uint32_t nextCookie_ = kNoDirectory + 1;
};

}  // namespace logtail::agent
