#pragma once
// Tells a tail worker which directories have news: raw inotify, as dirty bits instead of a queue.
//
// Flow: kernel -> one large read -> a bit a directory -> WatchEvents, once a directory and drain.
// After a drain it sleeps `interval` before it reads again, so that a busy node costs a fixed number
// of wake-ups a second; on an idle one the first event still comes through at once.
// Owner: a tail worker; `loop` and `events` must outlive it, and the loop must turn once more after
// it is destroyed (libuv closes handles from the loop). Thread: the loop's.
// Whatever cannot be watched is for the caller to scan: watchDirectory() says so, nothing fails.

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"

struct uv_loop_s;

namespace logtail::agent {

// Called from the loop. All of it may watch and unwatch, none of it may destroy the watcher.
class WatchEvents {
 public:
  virtual ~WatchEvents() = default;
  virtual void onContainersChanged() = 0;
  // `namesChanged`: a file came, went or was renamed, or the directory itself did; else only bytes.
  virtual void onDirectoryDirty(uint32_t cookie, bool namesChanged) = 0;
  // The kernel dropped events: everything may have changed.
  virtual void onOverflow() = 0;
  // From now on watchDirectory() may say kPushBack. Comes once, and again after it went better.
  virtual void onWatchesExhausted(const std::string& message) = 0;
};

struct WatcherOptions {
  base::Nanos interval = std::chrono::milliseconds(5);  // between drains; 0: read at every event
  uint32_t maxWatches = 0;                              // of this watcher's own; 0: the kernel's
};

class InotifyWatcher {
 public:
  struct Counts {
    uint64_t drains = 0;     // reads of the queue that found events
    uint64_t events = 0;
    uint64_t overflows = 0;
    uint64_t refused = 0;    // directories that could not be watched
    uint64_t unknown = 0;    // events of a watch that was removed meanwhile
  };

  InotifyWatcher(uv_loop_s* loop, WatcherOptions options, WatchEvents& events);
  ~InotifyWatcher();
  InotifyWatcher(const InotifyWatcher&) = delete;
  InotifyWatcher& operator=(const InotifyWatcher&) = delete;

  // Opens inotify and watches LOGROOT/containers, or LOGROOT until it has one: when it comes, goes or
  // changes, onContainersChanged(). kPushBack when there is nothing to watch with: scan instead.
  // kNotFound without LOGROOT: call again later. Safe to repeat: it renews what is missing.
  base::Status watchContainers(const std::string& logRoot);

  // Reports news of `path` under `cookie` until unwatchDirectory(cookie). Several cookies may share a
  // directory. kNotFound when it is gone (or no directory), kPushBack when watches have run out.
  base::Status watchDirectory(uint32_t cookie, const std::string& path);
  // Unknown cookies are fine: the directory may have gone first, and its watch with it.
  void unwatchDirectory(uint32_t cookie);
  // Whether the cookie's directory is watched: not after it was deleted, moved away or refused.
  bool isWatched(uint32_t cookie) const;

  size_t watchedDirectories() const;
  const Counts& counts() const;

 private:
  class Impl;
  Impl* impl_;  // freed by the loop, once it has closed its handles
};

}  // namespace logtail::agent
