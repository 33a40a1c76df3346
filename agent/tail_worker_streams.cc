// TailWorker's half that follows: which containers there are, their directories and streams.
#include "agent/tail_worker_impl.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

constexpr uint32_t kContainersCookie = StreamRegistry::kNoDirectory;
constexpr base::Nanos kRootRetry = std::chrono::seconds(1);

}  // namespace

void TailWorker::Impl::open() {
  uv_timer_init(loop_.loop(), &wakeTimer_);
  uv_timer_init(loop_.loop(), &scanTimer_);
  uv_idle_init(loop_.loop(), &idle_);
  wakeTimer_.data = scanTimer_.data = idle_.data = this;
  InotifyWatcher::Options watching;
  watching.interval = options_.watchInterval;
  watcher_ = std::make_unique<InotifyWatcher>(loop_.loop(), *this, watching);
  streams_ = std::make_unique<StreamRegistry>(*watcher_);
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

void TailWorker::Impl::close() {
  streams_.reset();
  watcher_.reset();
  for (auto* handle :
       {reinterpret_cast<uv_handle_t*>(&wakeTimer_), reinterpret_cast<uv_handle_t*>(&scanTimer_),
        reinterpret_cast<uv_handle_t*>(&idle_)}) {
    uv_close(handle, nullptr);
  }
}

void TailWorker::Impl::onDirectoryDirty(uint32_t cookie, bool namesChanged) {
  if (cookie == kContainersCookie) {
    containersDirty_ = true;
    return;
  }
  for (FollowedStream* stream : streams_->streamsIn(cookie)) {
    if (namesChanged) stream->tailer->refresh(context_);
    schedule_.enqueue(*stream);
  }
}

void TailWorker::Impl::onOverflow() {
  counts_.overflows.fetch_add(1, std::memory_order_relaxed);
  lookAtEverything();
}

void TailWorker::Impl::onDrained() {
  if (containersDirty_) scanContainers();
  work();
}

void TailWorker::Impl::onUnwatched(uint32_t, const std::string& why) {
  if (counts_.unwatchedDirectories.fetch_add(1, std::memory_order_relaxed) == 0) {
    base::logWarn("agent: " + why);
  }
}

// The directory may come later: it is looked for at every wake until it is there.
void TailWorker::Impl::watchRoot() {
  rootWatched_ = watcher_->watch(kContainersCookie, containers_.path()).ok();
  if (!rootWatched_) wakeBy(clock_.steady() + kRootRetry);
}

void TailWorker::Impl::lookAtEverything() {
  if (!rootWatched_) watchRoot();
  scanContainers();
  for (auto& [key, stream] : streams_->all()) {
    stream.tailer->refresh(context_);
    schedule_.enqueue(stream);
  }
}

void TailWorker::Impl::scanContainers() {
  containersDirty_ = false;
  auto changes = containers_.scan();
  if (!changes.ok()) return;
  counts_.malformedNames.store(containers_.malformedNames(), std::memory_order_relaxed);
  for (const ContainerLog& log : changes->added) add(log);
  for (const ContainerLog& log : changes->removed) markGone(log);
}

event::StreamDescription TailWorker::Impl::describe(const ContainerLog& log) const {
  event::StreamDescription description;
  description.cluster = options_.cluster;
  description.node = options_.node;
  description.namespaceName = log.namespaceName;
  description.pod = log.pod;
  description.podUid = log.podUid;
  description.container = log.container;
  description.containerId = log.containerId;
  description.restart = log.restart;
  return description;
}

void TailWorker::Impl::add(const ContainerLog& log) {
  event::StreamDescription description = describe(log);
  const event::StreamKey key = description.key();
  if (key.hash.low % options_.workers != options_.index || streams_->find(key) != nullptr) return;
  FollowedStream& stream = streams_->add(std::make_unique<StreamTailer>(
      std::move(description), log.directory, options_.maxLine, budget_, timeCache_));
  stream.presentAtStart = starting_;
  stream.tailer->refresh(context_);
  if (stream.cookie == StreamRegistry::kNoDirectory) stream.tailer->markGone(clock_.steady());
  counts_.streams.store(streams_->size(), std::memory_order_relaxed);
  sink_.announce(stream.tailer->description());
}

void TailWorker::Impl::markGone(const ContainerLog& log) {
  FollowedStream* stream = streams_->find(describe(log).key());
  if (stream == nullptr) return;
  stream->tailer->refresh(context_);
  stream->tailer->markGone(clock_.steady());
  schedule_.enqueue(*stream);
  if (stream->tailer->done()) endStream(*stream);
}

void TailWorker::Impl::endStream(FollowedStream& stream) {
  const event::StreamKey key = stream.tailer->key();
  const StreamTailer::Sealed& sealed = stream.tailer->sealed();
  endedStats_.push_back(
      {key, sealed.readBytes, sealed.rereadBytes, sealed.bytes, sealed.records, sealed.digest, 0});
  schedule_.forget(stream);
  streams_->remove(key);
  sink_.end(key);
  counts_.streams.store(streams_->size(), std::memory_order_relaxed);
}

}  // namespace logtail::agent
