#pragma once
// Tells a tail worker which directories have news: raw inotify under the worker's libuv loop, as
// dirty bits instead of a queue.
//
// Flow: kernel -> one large read -> a bit a directory -> WatchEvents, once a directory and drain.
// After a drain it waits `interval` before it reads again, so that a busy node costs a bounded
// number of wake-ups a second; the first event after a rest comes through at once. Owner: a tail
// worker; `loop` and `events` must outlive it, and the loop must turn once more after it is
// destroyed, for libuv closes handles from there. Thread: the loop's. What cannot be watched is
// reported dirty every `scanInterval` in place of it, and a watch is tried again each time; so
// nothing here fails for want of watches.

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"

struct uv_loop_s;

namespace logtail::agent {

// Called from the loop, onUnwatched() also from watch(); may watch and unwatch, must not destroy
// the watcher.
class WatchEvents {
 public:
  virtual ~WatchEvents() = default;
  // `namesChanged`: a file came, went or was renamed, or the directory did; else only bytes.
  virtual void onDirectoryDirty(uint32_t cookie, bool namesChanged) = 0;
  // Events were dropped: everything may have changed; onDirectoryDirty() does not come for it.
  virtual void onOverflow() = 0;
  // After the calls of one drain or scan.
  virtual void onDrained() = 0;
  // The directory is scanned from now on; `why` names the sysctl to raise.
  virtual void onUnwatched(uint32_t cookie, const std::string& why) = 0;
};

class InotifyWatcher {
 public:
  struct Options {
    base::Nanos interval = std::chrono::milliseconds(5);  // 0: read at every event
    base::Nanos scanInterval = std::chrono::seconds(1);
    size_t scansAtATime = 1000;    // directories a scanInterval: more take turns
    size_t maxWatches = SIZE_MAX;  // of the kernel's, which others need, too; beyond it scans
    bool scanOnly = false;         // no inotify at all, as if the kernel gave no instance
  };
  struct Counts {
    uint64_t drains = 0;  // reads of the queue that found something
    uint64_t events = 0;
    uint64_t overflows = 0;
    uint64_t stale = 0;    // events of a watch that was removed meanwhile
    uint64_t refused = 0;  // watches the kernel did not give
    uint64_t scans = 0;    // of single directories in place of a watch
  };

  InotifyWatcher(uv_loop_s* loop, WatchEvents& events, Options options);
  ~InotifyWatcher();
  InotifyWatcher(const InotifyWatcher&) = delete;
  InotifyWatcher& operator=(const InotifyWatcher&) = delete;

  // Reports news of `directory` under `cookie` until unwatch(cookie). Several cookies may share a
  // directory. kNotFound when it is gone (or is no directory): the cookie is not taken then. One
  // that goes later and comes again at the same path is watched again, after at most a
  // scanInterval.
  base::Status watch(uint32_t cookie, const std::string& directory);
  void unwatch(uint32_t cookie);  // unknown cookies are fine

  size_t watched() const;  // cookies that have a watch
  size_t scanned() const;  // cookies that are scanned, or whose directory is waited for
  size_t refused() const;  // those of them that the kernel has no watch for
  const Counts& counts() const;

 private:
  struct State;
  State* state_;  // freed by the loop once its handles are closed
};

}  // namespace logtail::agent
