#include "agent/tail_worker.h"

#include <uv.h>

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "agent/container_directory.h"
#include "agent/event_loop.h"
#include "agent/inotify_watcher.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

constexpr uint32_t kContainersCookie = 0;
constexpr unsigned kTurnsPerTick = 32;  // before the loop looks at its other work again
constexpr base::Nanos kRootRetry = std::chrono::seconds(1);

uint64_t millisUntil(base::Nanos when, base::Nanos now) {
  if (when <= now) return 0;
  return static_cast<uint64_t>(
             std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count()) +
         1;
}

}  // namespace

class TailWorker::Impl final : public WatchEvents {
 public:
  Impl(TailWorkerOptions options, UnitSink& sink, base::MemoryBudget& budget, base::Clock& clock)
      : options_(std::move(options)),
        sink_(sink),
        budget_(budget),
        clock_(clock),
        writer_(options_.compressionLevel),
        slab_(std::make_unique_for_overwrite<char[]>(options_.slabBytes)),
        containers_(options_.logRoot + "/containers"),
        context_{writer_,
                 {slab_.get(), options_.slabBytes},
                 clock_,
                 tailCounts_,
                 options_.configEpoch,
                 options_.grace,
                 &Impl::sealUnit,
                 this} {}

  base::Status start() {
    return loop_.start([this] { open(); });
  }

  void stop() {
    loop_.stop([this] { close(); });
  }

  void post(std::function<void()> task) { loop_.post(std::move(task)); }

  // --- WatchEvents ---
  void onDirectoryDirty(uint32_t cookie, bool namesChanged) override {
    if (cookie == kContainersCookie) {
      containersDirty_ = true;
      return;
    }
    const auto at = directories_.find(cookie);
    if (at == directories_.end()) return;
    for (StreamTailer* tailer : at->second.tailers) {
      if (namesChanged) tailer->refresh(context_);
      enqueue(tailer);
    }
  }
  void onOverflow() override {
    counts_.overflows.fetch_add(1, std::memory_order_relaxed);
    lookAtEverything();
  }
  void onDrained() override {
    if (containersDirty_) scanContainers();
    work();
  }
  void onUnwatched(uint32_t, const std::string& why) override {
    if (counts_.unwatchedDirectories.fetch_add(1, std::memory_order_relaxed) == 0) {
      base::logWarn("agent: " + why);
    }
  }

  // --- posted ---
  void resume(const event::StreamKey& key, const event::Resume& resume,
              const event::Resume* doubtful, bool firstEver) {
    const auto at = streams_.find(key);
    if (at == streams_.end()) return;
    Stream& stream = at->second;
    stream.tailer->refresh(context_);
    const bool asConfigured = firstEver && stream.presentAtStart;
    stream.tailer->plan(resume, doubtful, asConfigured ? options_.startAt : StartAt::kHead,
                        context_);
    enqueue(stream.tailer.get());
    work();
  }

  void acknowledged(const std::vector<event::BlockHeader>& blocks) {
    for (const event::BlockHeader& block : blocks) {
      const auto at = streams_.find(block.stream);
      if (at == streams_.end()) continue;
      at->second.tailer->acknowledged(block);
      if (at->second.tailer->done()) endStream(at);
    }
    unblock();
  }

  void unblock() {
    if (!blocked_) return;
    if (pending_ && !offerPending()) return;
    blocked_ = false;
    work();
  }

  void reset(const std::function<void()>& done) {
    writer_.discard();
    pending_.reset();
    blocked_ = false;
    for (auto& [key, stream] : streams_) stream.tailer->reset();
    queue_.clear();
    for (auto& [key, stream] : streams_) stream.queued = false;
    done();
  }

  void drain(std::function<void()> done) {
    drained_ = std::move(done);
    lookAtEverything();
    work();
  }

  void collectStats(const std::function<void(std::vector<wire::StreamStats>)>& use) {
    std::vector<wire::StreamStats> all;
    for (auto& [key, stream] : streams_) {
      const StreamTailer::Sealed& sealed = stream.tailer->sealed();
      const wire::StreamStats stats{key,
                                    sealed.readBytes,
                                    sealed.rereadBytes,
                                    sealed.bytes,
                                    sealed.records,
                                    sealed.digest,
                                    stream.tailer->unsealedBytes()};
      if (stats == stream.told) continue;
      stream.told = stats;
      all.push_back(stats);
    }
    all.insert(all.end(), endedStats_.begin(), endedStats_.end());
    endedStats_.clear();
    use(std::move(all));
  }

  const TailWorkerCounts& counts() const { return counts_; }

 private:
  struct Stream {
    std::unique_ptr<StreamTailer> tailer;
    uint32_t cookie = 0;
    bool presentAtStart = false;
    bool queued = false;
    wire::StreamStats told;
  };
  struct Directory {
    std::string path;
    std::vector<StreamTailer*> tailers;
  };
  using Streams = std::unordered_map<event::StreamKey, Stream, event::StreamKeyHash>;

  void open() {
    uv_timer_init(loop_.loop(), &wakeTimer_);
    uv_timer_init(loop_.loop(), &scanTimer_);
    uv_idle_init(loop_.loop(), &idle_);
    wakeTimer_.data = scanTimer_.data = idle_.data = this;
    InotifyWatcher::Options watching;
    watching.interval = options_.watchInterval;
    watcher_ = std::make_unique<InotifyWatcher>(loop_.loop(), *this, watching);
    const auto period = static_cast<uint64_t>(options_.safetyScan.count() / 1'000'000);
    uv_timer_start(
        &scanTimer_,
        [](uv_timer_t* t) {
          auto* self = static_cast<Impl*>(t->data);
          self->lookAtEverything();
          self->work();
        },
        period, period);
    watchRoot();
    scanContainers();
    starting_ = false;
    work();
  }

  void close() {
    watcher_.reset();
    for (auto* handle :
         {reinterpret_cast<uv_handle_t*>(&wakeTimer_), reinterpret_cast<uv_handle_t*>(&scanTimer_),
          reinterpret_cast<uv_handle_t*>(&idle_)}) {
      uv_close(handle, nullptr);
    }
    streams_.clear();
    directories_.clear();
  }

  // The directory may come later: it is looked for at every wake until it is there.
  void watchRoot() {
    rootWatched_ = watcher_->watch(kContainersCookie, containers_.path()).ok();
    if (!rootWatched_) wakeBy(clock_.steady() + kRootRetry);
  }

  void lookAtEverything() {
    if (!rootWatched_) watchRoot();
    scanContainers();
    for (auto& [key, stream] : streams_) {
      stream.tailer->refresh(context_);
      enqueue(stream.tailer.get());
    }
  }

  void scanContainers() {
    containersDirty_ = false;
    auto changes = containers_.scan();
    if (!changes.ok()) return;
    counts_.malformedNames.store(containers_.malformedNames(), std::memory_order_relaxed);
    for (const ContainerLog& log : changes->added) add(log);
    for (const ContainerLog& log : changes->removed) markGone(log);
  }

  static event::StreamDescription describe(const TailWorkerOptions& options,
                                           const ContainerLog& log) {
    event::StreamDescription description;
    description.cluster = options.cluster;
    description.node = options.node;
    description.namespaceName = log.namespaceName;
    description.pod = log.pod;
    description.podUid = log.podUid;
    description.container = log.container;
    description.containerId = log.containerId;
    description.restart = log.restart;
    return description;
  }

  void add(const ContainerLog& log) {
    event::StreamDescription description = describe(options_, log);
    const event::StreamKey key = description.key();
    if (key.hash.low % options_.workers != options_.index || streams_.contains(key)) return;
    Stream& stream = streams_[key];
    stream.presentAtStart = starting_;
    stream.tailer = std::make_unique<StreamTailer>(std::move(description), log.directory,
                                                   options_.maxLine, budget_, timeCache_);
    stream.cookie = watchDirectory(log.directory, stream.tailer.get());
    stream.tailer->refresh(context_);
    if (stream.cookie == kContainersCookie) stream.tailer->markGone(clock_.steady());
    counts_.streams.store(streams_.size(), std::memory_order_relaxed);
    sink_.announce(stream.tailer->description());
  }

  // kContainersCookie when the directory is gone already.
  uint32_t watchDirectory(const std::string& path, StreamTailer* tailer) {
    const auto known = cookies_.find(path);
    if (known != cookies_.end()) {
      directories_[known->second].tailers.push_back(tailer);
      return known->second;
    }
    const uint32_t cookie = nextCookie_++;
    if (!watcher_->watch(cookie, path).ok()) return kContainersCookie;
    cookies_.emplace(path, cookie);
    directories_[cookie] = {path, {tailer}};
    return cookie;
  }

  void markGone(const ContainerLog& log) {
    const auto at = streams_.find(describe(options_, log).key());
    if (at == streams_.end()) return;
    at->second.tailer->refresh(context_);
    at->second.tailer->markGone(clock_.steady());
    enqueue(at->second.tailer.get());
    if (at->second.tailer->done()) endStream(at);
  }

  void endStream(Streams::iterator at) {
    StreamTailer* tailer = at->second.tailer.get();
    const StreamTailer::Sealed& sealed = tailer->sealed();
    endedStats_.push_back({at->first, sealed.readBytes, sealed.rereadBytes, sealed.bytes,
                           sealed.records, sealed.digest, 0});
    const auto directory = directories_.find(at->second.cookie);
    if (directory != directories_.end()) {
      std::erase(directory->second.tailers, tailer);
      if (directory->second.tailers.empty()) {
        watcher_->unwatch(directory->first);
        cookies_.erase(directory->second.path);
        directories_.erase(directory);
      }
    }
    std::erase(queue_, tailer);
    sink_.end(at->first);
    streams_.erase(at);
    counts_.streams.store(streams_.size(), std::memory_order_relaxed);
  }

  void enqueue(StreamTailer* tailer) {
    Stream& stream = streams_.at(tailer->key());
    if (stream.queued) return;
    stream.queued = true;
    queue_.push_back(tailer);
  }

  // Fair turns until nothing is dirty, the way is blocked, or the loop should look at its other
  // work.
  void work() {
    if (finished_) return;
    for (unsigned turns = 0; !queue_.empty() && !blocked_ && turns < kTurnsPerTick; ++turns) {
      if (!mayRead()) break;
      StreamTailer* tailer = queue_.front();
      queue_.pop_front();
      streams_.at(tailer->key()).queued = false;
      const uint64_t before = tailCounts_.readBytes;
      const Turn turn = tailer->turn(context_);
      tokens_ -= static_cast<double>(tailCounts_.readBytes - before);
      if (turn != Turn::kIdle) enqueue(tailer);
      if (const auto wake = tailer->wakeAt()) {
        waits_.emplace_back(*wake, tailer->key());
        wakeBy(*wake);
      }
    }
    publishCounts();
    if (!queue_.empty() && !blocked_) {
      uv_idle_start(&idle_, [](uv_idle_t* handle) { static_cast<Impl*>(handle->data)->work(); });
      return;
    }
    uv_idle_stop(&idle_);
    // Nothing is dirty: what there is goes out at once.
    if (!blocked_ && !writer_.empty()) sealUnit(this);
    if (drained_ && queue_.empty() && !blocked_) {
      finished_ = true;
      drained_();
      drained_ = {};
    }
  }

  // The catch-up cap, a token bucket of a tenth of a second.
  bool mayRead() {
    if (options_.readBytesPerSecond == 0) return true;
    const base::Nanos now = clock_.steady();
    const auto rate = static_cast<double>(options_.readBytesPerSecond);
    tokens_ = std::min(rate / 10,
                       tokens_ + rate * std::chrono::duration<double>(now - refilled_).count());
    refilled_ = now;
    if (tokens_ > 0) return true;
    uv_idle_stop(&idle_);
    wakeBy(now + std::chrono::milliseconds(20));
    return false;
  }

  void wakeBy(base::Nanos when) {
    if (wakeAt_ && *wakeAt_ <= when) return;
    wakeAt_ = when;
    uv_timer_start(
        &wakeTimer_, [](uv_timer_t* t) { static_cast<Impl*>(t->data)->wake(); },
        millisUntil(when, clock_.steady()), 0);
  }

  void wake() {
    wakeAt_.reset();
    if (!rootWatched_) {
      watchRoot();
      if (rootWatched_) scanContainers();
    }
    const base::Nanos now = clock_.steady();
    std::vector<std::pair<base::Nanos, event::StreamKey>> later;
    for (const auto& [when, key] : waits_) {
      const auto at = streams_.find(key);
      if (at == streams_.end()) continue;
      if (when <= now) {
        enqueue(at->second.tailer.get());
        if (at->second.tailer->done()) endStream(at);
      } else {
        later.emplace_back(when, key);
      }
    }
    waits_.swap(later);
    for (const auto& [when, key] : waits_) wakeBy(when);
    work();
  }

  static bool sealUnit(void* self) { return static_cast<Impl*>(self)->seal(); }

  bool seal() {
    if (writer_.empty()) return !blocked_;
    SealedUnit unit;
    for (const event::BlockHeader& block : writer_.blocks()) count(block);
    unit.blocks = writer_.blocks();
    unit.readNanos = unit.blocks.front().observedNanos;
    writer_.seal(unit.bytes);
    counts_.units.fetch_add(1, std::memory_order_relaxed);
    counts_.unitBytes.fetch_add(unit.bytes.size(), std::memory_order_relaxed);
    pending_ = std::move(unit);
    if (offerPending()) return true;
    blocked_ = true;
    counts_.blocked.fetch_add(1, std::memory_order_relaxed);
    return false;
  }

  bool offerPending() {
    if (!pending_->memory) pending_->memory = budget_.reserve(pending_->bytes.capacity());
    if (!pending_->memory || !sink_.offer(*pending_)) return false;
    pending_.reset();
    return true;
  }

  void count(const event::BlockHeader& block) {
    counts_.records.fetch_add(block.records, std::memory_order_relaxed);
    counts_.recordBytes.fetch_add(block.recordBytes, std::memory_order_relaxed);
    counts_.lostBytes.fetch_add(block.lostBytes, std::memory_order_relaxed);
    for (const event::DropCount& drop : block.drops) {
      counts_.dropRecords.fetch_add(drop.records, std::memory_order_relaxed);
      counts_.dropBytes.fetch_add(drop.bytes, std::memory_order_relaxed);
    }
  }

  void publishCounts() {
    counts_.readBytes.store(tailCounts_.readBytes, std::memory_order_relaxed);
    counts_.rereadBytes.store(tailCounts_.rereadBytes, std::memory_order_relaxed);
    counts_.truncations.store(tailCounts_.truncations, std::memory_order_relaxed);
    counts_.lateGenerations.store(tailCounts_.lateGenerations, std::memory_order_relaxed);
    counts_.unreadableFiles.store(tailCounts_.unreadableFiles, std::memory_order_relaxed);
  }

  const TailWorkerOptions options_;
  UnitSink& sink_;
  base::MemoryBudget& budget_;
  base::Clock& clock_;
  TailWorkerCounts counts_;

  // Loop thread only, from here on.
  event::UnitWriter writer_;
  std::unique_ptr<char[]> slab_;
  TailCounts tailCounts_;
  parsers::CriTimeCache timeCache_;
  ContainerDirectory containers_;
  TailContext context_;
  std::unique_ptr<InotifyWatcher> watcher_;
  uv_timer_t wakeTimer_{};
  uv_timer_t scanTimer_{};
  uv_idle_t idle_{};
  Streams streams_;
  std::unordered_map<uint32_t, Directory> directories_;
  std::unordered_map<std::string, uint32_t> cookies_;  // by directory
  uint32_t nextCookie_ = kContainersCookie + 1;
  std::deque<StreamTailer*> queue_;  // dirty streams, each once
  std::vector<std::pair<base::Nanos, event::StreamKey>> waits_;
  std::optional<base::Nanos> wakeAt_;
  std::optional<SealedUnit> pending_;  // refused by the sink
  bool blocked_ = false;
  bool containersDirty_ = false;
  bool rootWatched_ = false;
  bool starting_ = true;
  bool finished_ = false;
  double tokens_ = 0;
  base::Nanos refilled_{};
  std::function<void()> drained_;
  std::vector<wire::StreamStats> endedStats_;

  EventLoop loop_;  // last: its thread uses all of the above
};

TailWorker::TailWorker(TailWorkerOptions options, UnitSink& sink, base::MemoryBudget& budget,
                       base::Clock& clock)
    : impl_(std::make_unique<Impl>(std::move(options), sink, budget, clock)) {}

TailWorker::~TailWorker() {
  stop();
}

base::Status TailWorker::start() {
  return impl_->start();
}

void TailWorker::stop() {
  impl_->stop();
}

void TailWorker::drain(std::function<void()> done) {
  impl_->post([this, done = std::move(done)] { impl_->drain(done); });
}

void TailWorker::resume(const event::StreamKey& key, event::Resume resume,
                        std::optional<event::Resume> doubtful, bool firstEver) {
  impl_->post([this, key, resume = std::move(resume), doubtful = std::move(doubtful), firstEver] {
    impl_->resume(key, resume, doubtful ? &*doubtful : nullptr, firstEver);
  });
}

void TailWorker::acknowledged(std::vector<event::BlockHeader> blocks) {
  impl_->post([this, blocks = std::move(blocks)] { impl_->acknowledged(blocks); });
}

void TailWorker::room() {
  impl_->post([this] { impl_->unblock(); });
}

void TailWorker::reset(std::function<void()> done) {
  impl_->post([this, done = std::move(done)] { impl_->reset(done); });
}

void TailWorker::collectStats(std::function<void(std::vector<wire::StreamStats>)> use) {
  impl_->post([this, use = std::move(use)] { impl_->collectStats(use); });
}

const TailWorkerCounts& TailWorker::counts() const {
  return impl_->counts();
}

}  // namespace logtail::agent
