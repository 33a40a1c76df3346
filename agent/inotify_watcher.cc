#include "agent/inotify_watcher.h"

#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace logtail::agent {
namespace {

constexpr size_t kDrainBytes = 256 * 1024;
constexpr size_t kMaxEvent = sizeof(inotify_event) + NAME_MAX + 1;
constexpr int kMaxReads = 16;  // of one drain: others want the loop, too
constexpr uint32_t kMask = IN_MODIFY | IN_CREATE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |
                           IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW;
constexpr const char* kNoInstance =
    "no inotify instance to be had, scanning instead: raise fs.inotify.max_user_instances";
constexpr const char* kNoWatch =
    "no inotify watch left, scanning instead: raise fs.inotify.max_user_watches";

uint64_t millis(base::Nanos nanos) {
  return static_cast<uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(nanos).count());
}

bool isExhausted(int error) {
  return error == ENOSPC || error == EMFILE || error == ENFILE || error == ENOMEM;
}

// Half-compressed files, which nobody reads before they are renamed.
bool isTemporary(const char* name) {
  return std::string_view(name).ends_with(".tmp");
}

}  // namespace

struct InotifyWatcher::State {
  enum Bits : uint8_t { kClean = 0, kBytes = 1, kNames = 2 };
  struct Watch {
    std::vector<uint32_t> cookies;  // almost always one
    uint8_t dirty = kClean;
  };
  struct Place {
    std::string directory;
    int wd = kUnwatched;
    bool awaited = false;  // gone: nothing to scan until it comes again
  };
  struct News {
    uint32_t cookie;
    bool names;
  };
  static constexpr int kUnwatched = -1;

  State(uv_loop_s* ownersLoop, WatchEvents& target, Options chosen)
      : loop(ownersLoop), events(&target), options(chosen) {
    uv_timer_init(loop, &pause);
    uv_timer_init(loop, &scan);
    pause.data = scan.data = this;
    (void)openInotify();
  }
  ~State() {
    if (fd >= 0) ::close(fd);
  }

  bool openInotify();
  int addWatch(const std::string& directory);
  void enter(uint32_t cookie, Place& place, int wd);
  void leave(uint32_t cookie, int wd);
  void lose(int wd);
  void startPolling();
  void onReadable();
  void drainIn(base::Nanos pauseLength);
  void drain();
  bool readQueue();
  void take(const char* bytes, size_t size);
  std::vector<News> collect();
  void tell(const std::vector<News>& news, bool overflow);
  void scanFromNowOn(uint32_t cookie);
  void scanSome();
  bool scanOne(uint32_t cookie, bool& mayWatch);
  void close();

  uv_loop_s* const loop;
  WatchEvents* const events;
  const Options options;
  int fd = -1;
  uv_poll_t poll{};
  uv_timer_t pause{};
  uv_timer_t scan{};
  int handles = 2;
  std::unique_ptr<char[]> buffer = std::make_unique_for_overwrite<char[]>(kDrainBytes);
  std::unordered_map<int, Watch> watches;
  std::unordered_map<uint32_t, Place> places;  // by cookie
  std::vector<int> dirty;                      // wds with a bit set
  std::vector<int> lost;                       // wds whose directory went
  std::deque<uint32_t> unwatched;              // cookies without a wd, in the order of their turns
  bool overflowed = false;
  uint64_t drainedAt = 0;  // uv_hrtime()
  Counts counts;
};

bool InotifyWatcher::State::openInotify() {
  if (options.scanOnly) return false;
  fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return false;
  uv_poll_init(loop, &poll, fd);
  poll.data = this;
  ++handles;
  startPolling();
  return true;
}

// The wd, or minus the errno.
int InotifyWatcher::State::addWatch(const std::string& directory) {
  if (fd < 0 && !openInotify()) return -EMFILE;
  if (watches.size() >= options.maxWatches) return -ENOSPC;
  const int wd = ::inotify_add_watch(fd, directory.c_str(), kMask);
  return wd < 0 ? -errno : wd;
}

void InotifyWatcher::State::enter(uint32_t cookie, Place& place, int wd) {
  place.wd = wd;
  place.awaited = false;
  watches[wd].cookies.push_back(cookie);
}

// The last cookie takes the watch with it.
void InotifyWatcher::State::leave(uint32_t cookie, int wd) {
  const auto watch = watches.find(wd);
  if (watch == watches.end()) return;
  std::erase(watch->second.cookies, cookie);
  if (!watch->second.cookies.empty()) return;
  ::inotify_rm_watch(fd, wd);
  watches.erase(watch);
}

// The directory was deleted or moved: its cookies wait for another one at the same path.
void InotifyWatcher::State::lose(int wd) {
  const auto watch = watches.find(wd);
  if (watch == watches.end()) return;
  const std::vector<uint32_t> cookies = std::move(watch->second.cookies);
  watches.erase(watch);
  ::inotify_rm_watch(fd, wd);  // of one that moved; of a deleted one the kernel has done it
  for (const uint32_t cookie : cookies) {
    Place& place = places.at(cookie);
    place.wd = kUnwatched;
    place.awaited = true;
    scanFromNowOn(cookie);
  }
}

void InotifyWatcher::State::startPolling() {
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&poll)) != 0) return;
  uv_poll_start(&poll, UV_READABLE, [](uv_poll_t* handle, int, int) {
    static_cast<State*>(handle->data)->onReadable();
  });
}

// An event after a rest is taken at once. From the second within an interval on it goes by the
// clock.
void InotifyWatcher::State::onReadable() {
  const base::Nanos since(static_cast<int64_t>(uv_hrtime() - drainedAt));
  if (since >= options.interval) return drain();
  uv_poll_stop(&poll);
  drainIn(options.interval - since);
}

void InotifyWatcher::State::drainIn(base::Nanos pauseLength) {
  uv_timer_start(
      &pause, [](uv_timer_t* t) { static_cast<State*>(t->data)->drain(); }, millis(pauseLength), 0);
}

// Takes what the queue holds. By the clock that goes on until a read finds nothing.
void InotifyWatcher::State::drain() {
  const bool any = readQueue();
  drainedAt = uv_hrtime();
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&poll)) == 0) {
    if (any) {
      drainIn(options.interval);
    } else {
      startPolling();
    }
  }
  if (!any) return;
  ++counts.drains;
  const std::vector<News> news = collect();
  const bool overflow = std::exchange(overflowed, false);
  if (!news.empty() || overflow) tell(news, overflow);
}

bool InotifyWatcher::State::readQueue() {
  bool any = false;
  for (int reads = 0; reads < kMaxReads; ++reads) {
    const ssize_t n = ::read(fd, buffer.get(), kDrainBytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    any = true;
    take(buffer.get(), static_cast<size_t>(n));
    // Room was left for one event more: the queue is empty.
    if (static_cast<size_t>(n) + kMaxEvent <= kDrainBytes) break;
  }
  return any;
}

void InotifyWatcher::State::take(const char* bytes, size_t size) {
  inotify_event event;
  for (size_t at = 0; at + sizeof event <= size; at += sizeof event + event.len) {
    std::memcpy(&event, bytes + at, sizeof event);
    ++counts.events;
    if ((event.mask & IN_Q_OVERFLOW) != 0) {
      ++counts.overflows;
      overflowed = true;
      continue;
    }
    const auto watch = watches.find(event.wd);
    if (watch == watches.end()) {
      ++counts.stale;
      continue;
    }
    if ((event.mask & (IN_IGNORED | IN_MOVE_SELF)) != 0) lost.push_back(event.wd);
    const bool names = (event.mask & ~uint32_t{IN_MODIFY}) != 0;
    if (event.len > 0 && isTemporary(bytes + at + sizeof event)) continue;
    if (watch->second.dirty == kClean) dirty.push_back(event.wd);
    watch->second.dirty |= names ? kNames : kBytes;
  }
}

std::vector<InotifyWatcher::State::News> InotifyWatcher::State::collect() {
  std::vector<News> news;
  for (const int wd : std::exchange(dirty, {})) {
    const auto watch = watches.find(wd);
    if (watch == watches.end()) continue;  // unwatched by a call of the last drain
    const bool names = (watch->second.dirty & kNames) != 0;
    watch->second.dirty = kClean;
    for (const uint32_t cookie : watch->second.cookies) news.push_back({cookie, names});
  }
  for (const int wd : std::exchange(lost, {})) lose(wd);
  return news;
}

void InotifyWatcher::State::tell(const std::vector<News>& news, bool overflow) {
  if (overflow) {
    events->onOverflow();
  } else {
    for (const News& one : news) {
      // A call before this one may have unwatched it.
      if (places.contains(one.cookie)) events->onDirectoryDirty(one.cookie, one.names);
    }
  }
  events->onDrained();
}

void InotifyWatcher::State::scanFromNowOn(uint32_t cookie) {
  unwatched.push_back(cookie);
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&scan)) != 0) return;
  const uint64_t every = std::max<uint64_t>(millis(options.scanInterval), 1);
  uv_timer_start(
      &scan, [](uv_timer_t* t) { static_cast<State*>(t->data)->scanSome(); }, every, every);
}

// The next ones in turn: each is tried to be watched again, and reported.
void InotifyWatcher::State::scanSome() {
  std::vector<News> news;
  bool mayWatch = true;
  for (size_t n = std::min(unwatched.size(), options.scansAtATime); n > 0; --n) {
    const uint32_t cookie = unwatched.front();
    unwatched.pop_front();
    if (scanOne(cookie, mayWatch)) news.push_back({cookie, true});
    if (places.at(cookie).wd == kUnwatched) unwatched.push_back(cookie);
  }
  if (unwatched.empty()) uv_timer_stop(&scan);
  if (!news.empty()) tell(news, false);
}

// Whether there is news of it. Once the kernel said no, the others of this turn need not ask.
bool InotifyWatcher::State::scanOne(uint32_t cookie, bool& mayWatch) {
  Place& place = places.at(cookie);
  ++counts.scans;
  if (!mayWatch) return !place.awaited;
  const int wd = addWatch(place.directory);
  if (wd >= 0) {
    enter(cookie, place, wd);
    return true;
  }
  if (!isExhausted(-wd)) return !std::exchange(place.awaited, true);
  mayWatch = false;
  place.awaited = false;
  return true;
}

void InotifyWatcher::State::close() {
  const auto closed = [](uv_handle_t* handle) {
    auto* state = static_cast<State*>(handle->data);
    if (--state->handles == 0) delete state;
  };
  if (fd >= 0) uv_close(reinterpret_cast<uv_handle_t*>(&poll), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&pause), closed);
  uv_close(reinterpret_cast<uv_handle_t*>(&scan), closed);
}

InotifyWatcher::InotifyWatcher(uv_loop_s* loop, WatchEvents& events, Options options)
    : state_(new State(loop, events, options)) {}

InotifyWatcher::~InotifyWatcher() {
  state_->close();
}

base::Status InotifyWatcher::watch(uint32_t cookie, const std::string& directory) {
  unwatch(cookie);
  const int wd = state_->addWatch(directory);
  if (wd >= 0) {
    state_->enter(cookie, state_->places[cookie] = {directory, State::kUnwatched, false}, wd);
    return {};
  }
  if (-wd == ENOTDIR) return {base::Errc::kNotFound, directory + ": no directory"};
  if (!isExhausted(-wd)) return base::errnoError(-wd, "watch " + directory);
  ++state_->counts.refused;
  state_->places[cookie] = {directory, State::kUnwatched, false};
  state_->scanFromNowOn(cookie);
  state_->events->onUnwatched(cookie, state_->fd < 0 ? kNoInstance : kNoWatch);
  return {};
}

void InotifyWatcher::unwatch(uint32_t cookie) {
  const auto place = state_->places.find(cookie);
  if (place == state_->places.end()) return;
  const int wd = place->second.wd;
  state_->places.erase(place);
  if (wd == State::kUnwatched) {
    std::erase(state_->unwatched, cookie);
  } else {
    state_->leave(cookie, wd);
  }
}

size_t InotifyWatcher::watched() const {
  return state_->places.size() - scanned();
}

size_t InotifyWatcher::scanned() const {
  return state_->unwatched.size();
}

size_t InotifyWatcher::refused() const {
  return static_cast<size_t>(
      std::count_if(state_->unwatched.begin(), state_->unwatched.end(),
                    [&](uint32_t cookie) { return !state_->places.at(cookie).awaited; }));
}

const InotifyWatcher::Counts& InotifyWatcher::counts() const {
  return state_->counts;
}

}  // namespace logtail::agent
