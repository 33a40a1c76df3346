// TailWorker's half that follows: which containers there are, their directories and streams.
#include "agent/tail_worker_impl.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

constexpr uint32_t kContainersCookie = StreamRegistry::kNoDirectory;
constexpr base::Nanos kRootRetry = std::chrono::seconds(1);
constexpr base::Nanos kMemoryRetry = std::chrono::seconds(1);
constexpr base::Nanos kRestPause = std::chrono::milliseconds(100);
constexpr size_t kRestAtATime = 256;
// A worker's buffers but for the slab: the unit's body and columns, the sealed unit, zstd's
// context, inotify's queue, what inflates, and tails.
constexpr uint64_t kFixedBytes = 6 * event::kMaxUnitRaw + (2 << 20) + (256 << 10) +
                                 kInflaters * InflaterPool::kInflaterBytes + TailCache::kBytes;

}  // namespace

uint64_t TailWorker::fixedBytes(size_t slabBytes) {
  return kFixedBytes + slabBytes;
}

base::Status TailWorker::Impl::start() {
  if (!fixedMemory_) {
    return {base::Errc::kFixInput, "memory: the workers need " +
                                       std::to_string(fixedBytes(options_.slabBytes)) +
                                       " bytes each, more than the budget has left"};
  }
  LOGTAIL_TRY(disk_.load());
  spooledStreams_ = disk_.streams();
  knownStreams_ = options_.knownStreams;
  return loop_.start([this] { open(); });
}

void TailWorker::Impl::open() {
  uv_timer_init(loop_.loop(), &wakeTimer_);
  uv_timer_init(loop_.loop(), &scanTimer_);
  uv_idle_init(loop_.loop(), &idle_);
  uv_timer_init(loop_.loop(), &diskTimer_);
  wakeTimer_.data = scanTimer_.data = diskTimer_.data = idle_.data = this;
  watcher_ = std::make_unique<InotifyWatcher>(loop_.loop(), *this, options_.watching);
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
  startDiskTimer(base::Nanos::zero());  // what a run before could not keep may go any moment
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
        reinterpret_cast<uv_handle_t*>(&diskTimer_), reinterpret_cast<uv_handle_t*>(&idle_)}) {
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
  const base::Status watched = watcher_->watch(kContainersCookie, containers_.path());
  rootWatched_ = watched.ok();
  counts_.rootWatched = rootWatched_;
  if (rootWatched_) return;
  if (!rootMissed_) {
    base::logWarn("agent: nothing to read yet, looking every second: " + watched.message());
  }
  rootMissed_ = true;
  wakeBy(clock_.steady() + kRootRetry);
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
  for (const ContainerLog& log : changes->added) {
    if (add(describe(log), log.directory) == Added::kNoMemory) waitForMemory(log);
  }
  for (const ContainerLog& log : changes->removed) markGone(log);
  addKnown(spooledStreams_);
  // A node without any container is more likely one whose logs are not mounted: nothing is told as
  // lost then.
  if (containers_.found() > 0) addKnown(knownStreams_);
  counts_.scanned = true;
}

// Streams of an earlier run whose containers are gone: what is left of them is read, the rest told.
// Those that there is no memory for stay in the list.
void TailWorker::Impl::addKnown(std::vector<event::StreamDescription>& known) {
  std::erase_if(known, [&](const event::StreamDescription& description) {
    const std::string directory =
        logDirectoryOf(options_.logRoot, description.namespaceName, description.pod,
                       description.podUid, description.container);
    const Added added = add(description, directory);
    if (added == Added::kYes) streams_->find(description.key())->tailer->markGone(clock_.steady());
    return added != Added::kNoMemory;
  });
}

// Its files are the buffer until other streams end: it is looked for again in a while.
void TailWorker::Impl::waitForMemory(const ContainerLog& log) {
  containers_.forget(log);
  containersDirty_ = true;
  counts_.memoryShort = true;
  wakeBy(clock_.steady() + kMemoryRetry);
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

TailWorker::Impl::Added TailWorker::Impl::add(const event::StreamDescription& description,
                                              const std::string& directory) {
  const event::StreamKey key = description.key();
  if (!isMine(key)) return Added::kNo;
  if (streams_->find(key) != nullptr) return Added::kNo;
  auto memory = budget_.reserve(kStreamBytes);
  if (!memory) return Added::kNoMemory;
  FollowedStream& stream =
      streams_->add(std::make_unique<StreamTailer>(description, directory, options_.maxLine,
                                                   budget_, timeCache_, assemblerCounts_),
                    std::move(memory));
  stream.presentAtStart = starting_;
  stream.tailer->refresh(context_);
  if (stream.cookie == StreamRegistry::kNoDirectory) stream.tailer->markGone(clock_.steady());
  counts_.streams.store(streams_->size(), std::memory_order_relaxed);
  sink_.announce(description);
  return Added::kYes;
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
  disk_.forget(key);
  sink_.end(key);
  counts_.streams.store(streams_->size(), std::memory_order_relaxed);
}

void TailWorker::Impl::startDiskTimer(base::Nanos first) {
  const auto millis = [](base::Nanos n) { return static_cast<uint64_t>(n.count() / 1'000'000); };
  uv_timer_start(
      &diskTimer_, [](uv_timer_t* t) { static_cast<Impl*>(t->data)->lookAtDisk(); }, millis(first),
      millis(options_.disk.interval));
}

// A copy is done: another one may wait. At a stop the timer is closing and stays as it is.
void TailWorker::Impl::lookAtDiskSoon() {
  if (streams_ != nullptr) startDiskTimer(base::Nanos::zero());
}

void TailWorker::Impl::lookAtDisk() {
  takeAcknowledged();
  std::vector<FollowedStream*> dirty;
  disk_.look(loop_.loop(), *streams_, context_, dirty);
  counts_.scannedDirectories = watcher_->refused();
  for (FollowedStream* stream : dirty) schedule_.enqueue(*stream);
  openWhatWaits();
}

// Called when a file cannot be opened for want of descriptors. Looks at every stream, so not at
// once again. True when some do now.
bool TailWorker::Impl::letFilesRest() {
  const base::Nanos now = clock_.steady();
  if (now < nextRest_) return false;
  size_t rested = 0;
  for (auto at = streams_->all().begin(); at != streams_->all().end() && rested < kRestAtATime;
       ++at) {
    if (!at->second.queued && at->second.tailer->rest()) ++rested;
  }
  if (rested > 0) return true;
  nextRest_ = now + kRestPause;
  filesWait_ = true;
  wakeBy(nextRest_);
  return false;
}

// While nothing may rest the files that wait are not looked at: each is a directory to list.
void TailWorker::Impl::openAfterRest() {
  if (clock_.steady() < nextRest_) return wakeBy(nextRest_);
  filesWait_ = false;
  if (letFilesRest() || !descriptors_.full()) openWhatWaits();
}

// Files that could not be opened, for want of descriptors or of permission, are tried again.
void TailWorker::Impl::openWhatWaits() {
  for (auto& [key, stream] : streams_->all()) {
    if (!stream.tailer->waitsForFiles()) continue;
    stream.tailer->refresh(context_);
    schedule_.enqueue(stream);
  }
  work();
}

}  // namespace logtail::agent
