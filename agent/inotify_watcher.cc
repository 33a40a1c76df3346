#include "agent/inotify_watcher.h"

#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

namespace logtail::agent {
namespace {

constexpr size_t kDrainBytes = 256 * 1024;
constexpr uint32_t kMask = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr uint32_t kNames = IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF |
                            IN_MOVE_SELF | IN_IGNORED;

uint64_t millis(base::Nanos nanos) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(nanos).count());
}

}  // namespace

struct InotifyWatcher::State {
  enum : uint8_t { kClean = 0, kDirty = 1, kNamesDirty = 2 };
  struct Watch {
    uint32_t cookie = 0;
    uint8_t dirty = kClean;
  };

  State(uv_loop_s* loop, WatchEvents& target, Options chosen) : events(&target), options(chosen) {
    fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    uv_timer_init(loop, &pause);
    uv_timer_init(loop, &scan);
    pause.data = scan.data = poll.data = this;
    handles = 2;
    if (fd < 0) {
      why = base::errnoError(errno, "inotify_init1 (raise fs.inotify.max_user_instances)").message;
      return;
    }
    uv_poll_init(loop, &poll, fd);
    ++handles;
    startPolling();
  }

  void startPolling() {
    uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
      static_cast<State*>(handle->data)->drain();
    });
  }

  void drain() {
    bool overflow = false;
    for (;;) {
      const ssize_t n = ::read(fd, buffer.get(), kDrainBytes);
      if (n <= 0) break;
      overflow = take(buffer.get(), static_cast<size_t>(n)) || overflow;
      if (static_cast<size_t>(n) < kDrainBytes / 2) break;
    }
    if (millis(options.interval) > 0) {
      uv_poll_stop(&poll);
      uv_timer_start(&pause, [](uv_timer_t* t) { static_cast<State*>(t->data)->startPolling(); },
                     millis(options.interval), 0);
    }
    std::vector<Watch> changed;
    for (const int wd : dirtyWds) {
      const auto at = watches.find(wd);
      if (at == watches.end()) continue;
      changed.push_back(at->second);
      at->second.dirty = kClean;
    }
    dirtyWds.clear();
    if (overflow) events->onOverflow();
    for (const Watch& watch : changed) {
      events->onDirectoryDirty(watch.cookie, watch.dirty == kNamesDirty);
    }
    events->onDrained();
  }

  bool take(const char* bytes, size_t size) {
    bool overflow = false;
    for (size_t at = 0; at + sizeof(inotify_event) <= size;) {
      inotify_event event;
      __builtin_memcpy(&event, bytes + at, sizeof event);
      at += sizeof event + event.len;
      if ((event.mask & IN_Q_OVERFLOW) != 0) {
        overflow = true;
        continue;
      }
      const auto watch = watches.find(event.wd);
      if (watch == watches.end()) continue;
      if (watch->second.dirty == kClean) dirtyWds.push_back(event.wd);
      if ((event.mask & kNames) != 0) {
        watch->second.dirty = kNamesDirty;
      } else if (watch->second.dirty == kClean) {
        watch->second.dirty = kDirty;
      }
    }
    return overflow;
  }

  void scanInstead(uint32_t cookie, const std::string& reason) {
    scanned.insert(cookie);
    if (scanned.size() == 1) {
      uv_timer_start(&scan, [](uv_timer_t* t) { static_cast<State*>(t->data)->scanAll(); },
                     millis(options.scanInterval), millis(options.scanInterval));
    }
    events->onUnwatched(cookie, reason);
  }

  void scanAll() {
    const std::set<uint32_t> now = scanned;  // callbacks may unwatch
    for (const uint32_t cookie : now) events->onDirectoryDirty(cookie, true);
    events->onDrained();
  }

  void close() {
    events = nullptr;
    const auto closed = [](uv_handle_t* handle) {
      auto* state = static_cast<State*>(handle->data);
      if (--state->handles == 0) delete state;
    };
    if (fd >= 0) uv_close(reinterpret_cast<uv_handle_t*>(&poll), closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&pause), closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&scan), closed);
  }

  ~State() {
    if (fd >= 0) ::close(fd);
  }

  WatchEvents* events;
  const Options options;
  int fd = -1;
  std::string why;
  uv_poll_t poll{};
  uv_timer_t pause{};
  uv_timer_t scan{};
  int handles = 0;
  std::unique_ptr<char[]> buffer = std::make_unique_for_overwrite<char[]>(kDrainBytes);
  std::unordered_map<int, Watch> watches;
  std::unordered_map<uint32_t, int> wds;
  std::vector<int> dirtyWds;
  std::set<uint32_t> scanned;
};

InotifyWatcher::InotifyWatcher(uv_loop_s* loop, WatchEvents& events, Options options)
    : state_(new State(loop, events, options)) {}

InotifyWatcher::~InotifyWatcher() { state_->close(); }

base::Status InotifyWatcher::watch(uint32_t cookie, const std::string& directory) {
  if (state_->fd < 0) {
    state_->scanInstead(cookie, state_->why);
    return {};
  }
  const int wd = ::inotify_add_watch(state_->fd, directory.c_str(), kMask);
  if (wd < 0 && (errno == ENOSPC || errno == ENOMEM)) {
    state_->scanInstead(cookie, "no inotify watch left, scanning instead: raise fs.inotify.max_user_watches");
    return {};
  }
  if (wd < 0) return base::errnoError(errno, "watch " + directory);
  state_->watches[wd] = {cookie, State::kClean};
  state_->wds[cookie] = wd;
  return {};
}

void InotifyWatcher::unwatch(uint32_t cookie) {
  state_->scanned.erase(cookie);
  if (state_->scanned.empty()) uv_timer_stop(&state_->scan);
  const auto at = state_->wds.find(cookie);
  if (at == state_->wds.end()) return;
  ::inotify_rm_watch(state_->fd, at->second);
  state_->watches.erase(at->second);
  state_->wds.erase(at);
}

}  // namespace logtail::agent
