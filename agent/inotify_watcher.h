#pragma once
// Tells a tail worker which directories have news: raw inotify under the worker's libuv loop, as
// dirty bits instead of a queue.
//
// Flow: kernel -> one large read -> a bit a directory -> WatchEvents, once a directory and drain.
// After a drain it waits `interval` before it reads again. Owner: a tail worker; `loop` and `events`
// must outlive it, and the loop must turn once more after it is destroyed. Thread: the loop's.
// What cannot be watched is scanned every `scanInterval` in place of it.

#include <cstdint>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"

struct uv_loop_s;

namespace logtail::agent {

// Called from the loop; may watch and unwatch, must not destroy the watcher.
class WatchEvents {
 public:
  virtual ~WatchEvents() = default;
  // `namesChanged`: a file came, went or was renamed, or the directory did; else only bytes.
  virtual void onDirectoryDirty(uint32_t cookie, bool namesChanged) = 0;
  virtual void onOverflow() = 0;  // events were dropped: everything may have changed
  virtual void onDrained() = 0;   // after the calls of one drain or scan
  // The directory is scanned from now on; `why` names the sysctl to raise.
  virtual void onUnwatched(uint32_t cookie, const std::string& why) = 0;
};

class InotifyWatcher {
 public:
  struct Options {
    base::Nanos interval = std::chrono::milliseconds(5);
    base::Nanos scanInterval = std::chrono::seconds(1);
  };

  InotifyWatcher(uv_loop_s* loop, WatchEvents& events, Options options);
  ~InotifyWatcher();
  InotifyWatcher(const InotifyWatcher&) = delete;
  InotifyWatcher& operator=(const InotifyWatcher&) = delete;

  // Reports news of `directory` under `cookie`. kNotFound when it is gone.
  base::Status watch(uint32_t cookie, const std::string& directory);
  void unwatch(uint32_t cookie);

 private:
  struct State;
  State* state_;  // freed by the loop once its handles are closed
};

}  // namespace logtail::agent
