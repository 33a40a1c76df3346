// TailWorker's half that reads, and what it is told by other threads.
#include "agent/tail_worker.h"

#include "agent/tail_worker_impl.h"

namespace logtail::agent {
namespace {

// Before the loop looks at its other work again.
constexpr unsigned kTurnsPerTick = 256;
constexpr uint64_t kBytesPerTick = 8 << 20;
constexpr base::Nanos kCapPause = std::chrono::milliseconds(20);
constexpr base::Nanos kMemoryRetry = std::chrono::milliseconds(100);

uint64_t millisUntil(base::Nanos when, base::Nanos now) {
  if (when <= now) return 0;
  return static_cast<uint64_t>(
             std::chrono::duration_cast<std::chrono::milliseconds>(when - now).count()) +
         1;
}

}  // namespace

// --- what the aggregator says ---

void TailWorker::Impl::resume(const event::StreamKey& key, const event::Resume& resume,
                              const event::Resume* doubtful, bool firstEver) {
  FollowedStream* stream = streams_->find(key);
  if (stream == nullptr) return;
  stream->tailer->refresh(context_);
  const bool asConfigured = firstEver && stream->presentAtStart;
  stream->tailer->plan(resume, doubtful, asConfigured ? options_.startAt : StartAt::kHead,
                       disk_.copiesOf(key), context_);
  schedule_.enqueue(*stream);
  work();
}

// Any thread. Most acknowledgements can wait until the worker is awake anyway, at the latest for
// its look at the disk; a file's end may be what a stream waits for to be done. They hold their
// frame's memory meanwhile: where that is short they cannot wait, and those of others are not kept.
void TailWorker::Impl::acknowledged(AckedBlocks blocks) {
  bool mine = false;
  bool urgent = counts_.memoryShort.load(std::memory_order_relaxed);
  for (const event::BlockHeader& block : *blocks) {
    if (!isMine(block.stream)) continue;
    mine = true;
    urgent = urgent || (block.flags & event::kBlockEnd) != 0;
  }
  if (!mine) return;
  {
    const std::lock_guard lock(ackMutex_);
    acked_.push_back(std::move(blocks));
    if (!urgent || std::exchange(ackPosted_, true)) return;
  }
  post([this] {
    takeAcknowledged();
    unblock();
  });
}

void TailWorker::Impl::takeAcknowledged() {
  std::vector<AckedBlocks> units;
  {
    const std::lock_guard lock(ackMutex_);
    units.swap(acked_);
    ackPosted_ = false;
  }
  for (const AckedBlocks& blocks : units) {
    for (const event::BlockHeader& block : *blocks) {
      FollowedStream* stream = streams_->find(block.stream);
      if (stream == nullptr) continue;
      stream->tailer->acknowledged(block);
      if (stream->tailer->done()) endStream(*stream);
    }
  }
}

void TailWorker::Impl::unblock() {
  if (handover_.blocked() && handover_.unblock()) work();
}

void TailWorker::Impl::reset(const std::function<void()>& done) {
  takeAcknowledged();
  handover_.discard();
  schedule_.clear();
  for (auto& [key, stream] : streams_->all()) stream.tailer->reset();
  done();
}

void TailWorker::Impl::drain(std::function<void()> done) {
  drained_ = std::move(done);
  lookAtEverything();
  work();
}

void TailWorker::Impl::keepRest(const std::function<void()>& done) {
  takeAcknowledged();
  scanContainers();
  disk_.keepAll(*streams_, context_);
  done();
}

void TailWorker::Impl::forbidden(const event::StreamKey& key) {
  if (FollowedStream* stream = streams_->find(key)) endStream(*stream);
}

void TailWorker::Impl::collectStats(
    const std::function<void(std::vector<wire::StreamStats>)>& use) {
  takeAcknowledged();
  std::vector<wire::StreamStats> all;
  for (auto& [key, stream] : streams_->all()) {
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

// --- reading ---

// Fair turns until nothing is dirty, the way is blocked, or the loop should look at its other
// work.
void TailWorker::Impl::work() {
  takeAcknowledged();
  if (finished_) return;
  const uint64_t enough = tailCounts_.readBytes + kBytesPerTick;
  for (unsigned turns = 0;
       turns < kTurnsPerTick && tailCounts_.readBytes < enough && !handover_.blocked(); ++turns) {
    if (!schedule_.empty() && !schedule_.mayRead(clock_.steady())) {
      uv_idle_stop(&idle_);
      wakeBy(clock_.steady() + kCapPause);
      publishCounts();
      return;
    }
    FollowedStream* stream = schedule_.next();
    if (stream == nullptr) break;
    turn(*stream);
  }
  publishCounts();
  afterWork();
}

void TailWorker::Impl::turn(FollowedStream& stream) {
  const uint64_t before = tailCounts_.readBytes;
  const Turn turn = stream.tailer->turn(context_);
  schedule_.spent(tailCounts_.readBytes - before);
  if (turn != Turn::kIdle) schedule_.enqueue(stream);
  schedule_.wakeAt(stream, stream.tailer->wakeAt());
  if (stream.tailer->done()) endStream(stream);
}

void TailWorker::Impl::afterWork() {
  if (const auto when = schedule_.nextWake()) wakeBy(*when);
  if (!schedule_.empty() && !handover_.blocked()) {
    uv_idle_start(&idle_, [](uv_idle_t* handle) { static_cast<Impl*>(handle->data)->work(); });
    return;
  }
  uv_idle_stop(&idle_);
  // Nothing is dirty: what there is goes out at once.
  if (!handover_.blocked()) handover_.seal();
  counts_.memoryShort.store(handover_.wantsMemory() || containersDirty_, std::memory_order_relaxed);
  if (handover_.wantsMemory()) wakeBy(clock_.steady() + kMemoryRetry);
  if (drained_ && schedule_.empty() && !handover_.blocked()) {
    finished_ = true;
    drained_();
    drained_ = {};
  }
}

void TailWorker::Impl::wakeBy(base::Nanos when) {
  if (wakeAt_ && *wakeAt_ <= when) return;
  wakeAt_ = when;
  uv_timer_start(
      &wakeTimer_, [](uv_timer_t* t) { static_cast<Impl*>(t->data)->wake(); },
      millisUntil(when, clock_.steady()), 0);
}

void TailWorker::Impl::wake() {
  wakeAt_.reset();
  takeAcknowledged();  // it frees memory, and files that may rest
  if (!rootWatched_) {
    watchRoot();
    containersDirty_ = containersDirty_ || rootWatched_;
  }
  if (containersDirty_) scanContainers();
  for (FollowedStream* stream : schedule_.takeDue(clock_.steady())) schedule_.enqueue(*stream);
  if (handover_.wantsMemory()) handover_.unblock();
  if (filesWait_) openAfterRest();
  work();
}

void TailWorker::Impl::publishCounts() {
  counts_.readBytes.store(tailCounts_.readBytes, std::memory_order_relaxed);
  counts_.rereadBytes.store(tailCounts_.rereadBytes, std::memory_order_relaxed);
  counts_.truncations.store(tailCounts_.truncations, std::memory_order_relaxed);
  counts_.lateGenerations.store(tailCounts_.lateGenerations, std::memory_order_relaxed);
  counts_.unreadableFiles.store(tailCounts_.unreadableFiles, std::memory_order_relaxed);
  counts_.cutAtLimit.store(assemblerCounts_.cutAtLimit, std::memory_order_relaxed);
  counts_.cutForMemory.store(assemblerCounts_.cutForMemory, std::memory_order_relaxed);
  counts_.malformedLines.store(assemblerCounts_.malformedLines, std::memory_order_relaxed);
  counts_.incompleteRecords.store(assemblerCounts_.incompleteRecords, std::memory_order_relaxed);
}

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

void TailWorker::acknowledged(AckedBlocks blocks) {
  impl_->acknowledged(std::move(blocks));
}

void TailWorker::keepRest(std::function<void()> done) {
  impl_->post([this, done = std::move(done)] { impl_->keepRest(done); });
}

void TailWorker::forbidden(const event::StreamKey& key) {
  impl_->post([this, key] { impl_->forbidden(key); });
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
