#include "agent/disk_keeper.h"

#include <uv.h>

#include <algorithm>

#include "agent/gzip_log_file.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

// What a copy takes while it is made: a chunk, and what inflates a compressed source.
constexpr uint64_t kCopyBytes = 2 * kSpoolChunk + InflaterPool::kInflaterBytes;

}  // namespace

struct DiskKeeper::Job {
  uv_work_t request{};
  DiskKeeper* keeper = nullptr;
  base::FileSystem* files = nullptr;
  std::unique_ptr<LogFile> source;
  SpooledGeneration copy;
  base::Status written;
  bool isOver = false;  // the stream ended meanwhile
  base::MemoryBudget::Reservation memory;
};

DiskKeeper::DiskKeeper(DiskOptions options, const std::string& logRoot, Spool::Share share,
                       base::MemoryBudget& budget, TailWorkerCounts& counts,
                       std::function<void()> copied)
    : options_(std::move(options)),
      budget_(budget),
      counts_(counts),
      copied_(std::move(copied)),
      spool_(*options_.files, options_.spoolDirectory, share),
      disk_(*options_.files, logRoot,
            options_.spoolDirectory.empty() ? logRoot : base::directoryOf(options_.spoolDirectory),
            options_.limits) {}

DiskKeeper::~DiskKeeper() = default;

base::Status DiskKeeper::load() {
  if (options_.spoolDirectory.empty()) return {};
  const base::Status loaded = spool_.load();
  counts_.spoolBytes = spool_.diskBytes();
  return loaded;
}

std::vector<event::StreamDescription> DiskKeeper::streams() const {
  std::vector<event::StreamDescription> all;
  const event::StreamKey* last = nullptr;
  for (const auto& [key, copy] : spool_.copies()) {
    if (last == nullptr || *last != key.first) all.push_back(copy.header.description);
    last = &key.first;
  }
  return all;
}

std::vector<SpooledCopy> DiskKeeper::copiesOf(const event::StreamKey& stream) {
  std::vector<SpooledCopy> copies;
  for (auto at = spool_.copies().lower_bound({stream, {}});
       at != spool_.copies().end() && at->first.first == stream; ++at) {
    auto file = spool_.open(at->second);
    if (!file.ok()) {
      base::logWarn("agent: " + file.message());
      continue;
    }
    copies.push_back({at->second.header, std::move(*file)});
  }
  return copies;
}

void DiskKeeper::look(uv_loop_s* loop, StreamRegistry& streams, TailContext& context,
                      std::vector<FollowedStream*>& dirty) {
  removeUnneeded(streams);
  std::vector<Held> held;
  for (auto& [key, stream] : streams.all()) {
    stream.tailer->collectHeld(options_.patience, context, held);
  }
  useCopies(held);
  heldBytes_ = 0;
  for (const Held& one : held) {
    if (one.unlinked) heldBytes_ += one.tailer->fileOf(one.index).diskBytes();
  }
  startCopy(loop, held, context.clock.steady());
  giveUp(held, streams, context, dirty);
  counts_.spoolBytes = spool_.diskBytes();
  counts_.heldDeletedBytes = heldBytes_;
  noteRotation(streams, context.clock.wallNanos());
}

void DiskKeeper::noteRotation(StreamRegistry& streams, int64_t wallNanos) {
  base::Nanos least = base::Nanos::max();
  for (auto& [key, stream] : streams.all()) {
    least = std::min(least, stream.tailer->untilRotationLoss(wallNanos).value_or(least));
  }
  counts_.untilRotationLoss = least;
}

void DiskKeeper::removeUnneeded(StreamRegistry& streams) {
  std::vector<Spool::Key> over;
  for (const auto& [key, copy] : spool_.copies()) {
    const FollowedStream* stream = streams.find(key.first);
    if (stream != nullptr && !stream->tailer->needs(key.second)) over.push_back(key);
  }
  for (const auto& [stream, generation] : over) (void)spool_.remove(stream, generation);
  std::erase_if(nothingBehind_, [&](const Spool::Key& key) {
    const FollowedStream* stream = streams.find(key.first);
    return stream == nullptr || !stream->tailer->needs(key.second);
  });
}

void DiskKeeper::forget(const event::StreamKey& stream) {
  if (job_ != nullptr && job_->copy.header.description.key() == stream) job_->isOver = true;
  for (;;) {
    const auto at = spool_.copies().lower_bound({stream, {}});
    if (at == spool_.copies().end() || at->first.first != stream) return;
    if (!spool_.remove(stream, at->first.second).ok()) return;
  }
}

// A deleted file that has a copy is closed: its disk comes free.
void DiskKeeper::useCopies(std::vector<Held>& held) {
  std::erase_if(held, [&](const Held& one) {
    if (!one.unlinked || spool_.copies().empty()) return false;
    const SpoolHeader header = one.tailer->headerOf(one.index);
    const SpooledGeneration* copy = spool_.find(one.tailer->key(), header.generation);
    if (copy == nullptr || copy->header.from > header.from) return false;
    auto file = spool_.open(*copy);
    if (!file.ok()) return false;
    return one.tailer->useCopy(one.index, {copy->header, std::move(*file)});
  });
}

bool DiskKeeper::mayCopy(const Held& held) {
  LogFile& file = held.tailer->fileOf(held.index);
  const uint64_t bytes = file.size().value_or(file.diskBytes());
  // A deleted file goes once it is copied.
  const uint64_t others = heldBytes_ - (held.unlinked ? std::min(heldBytes_, file.diskBytes()) : 0);
  return disk_.mayCopy(bytes, spool_.diskBytes() + others);
}

// Before the plan only the order is known: behind the copies there are, for the oldest is copied
// first. The plan numbers no file lower than that, so that later copies come behind these.
SpoolHeader DiskKeeper::headerOf(const Held& held) const {
  SpoolHeader header = held.tailer->headerOf(held.index);
  if (held.tailer->planned()) return header;
  for (auto at = spool_.copies().lower_bound({held.tailer->key(), {}});
       at != spool_.copies().end() && at->first.first == held.tailer->key(); ++at) {
    header.ordinal = std::max(header.ordinal, at->second.header.ordinal + 1);
  }
  return header;
}

// The oldest that is at risk and has no copy. Once it is made, the next has its turn.
void DiskKeeper::startCopy(uv_loop_s* loop, std::vector<Held> held, base::Nanos now) {
  if (job_ != nullptr || options_.spoolDirectory.empty()) return;
  std::erase_if(held, [&](const Held& one) {
    return !one.atRisk || one.finalAt > (one.urgent ? now : now - options_.patience);
  });
  std::sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
    return a.tailer->rotatedNanosOf(a.index) < b.tailer->rotatedNanosOf(b.index);
  });
  for (const Held& one : held) {
    SpoolHeader header = headerOf(one);
    if (header.generation.fingerprint == 0) continue;
    if (nothingBehind_.contains({one.tailer->key(), header.generation})) continue;
    if (spool_.find(one.tailer->key(), header.generation) != nullptr) {
      one.tailer->markCopied(one.index);
      continue;
    }
    if (mayCopy(one)) {
      startJob(loop, one, std::move(header));
    } else {
      noteCopied({base::Errc::kPushBack, "no room within disk.max and disk.min_free"});
    }
    return;
  }
}

void DiskKeeper::startJob(uv_loop_s* loop, const Held& held, SpoolHeader header) {
  auto job = std::make_unique<Job>();
  job->memory = budget_.reserve(kCopyBytes);
  job->source = held.tailer->fileOf(held.index).duplicate();
  if (!job->memory || job->source == nullptr) return;
  job->keeper = this;
  job->files = options_.files;
  job->copy = spool_.begin(std::move(header));
  job->request.data = job.get();
  const int failed = uv_queue_work(
      loop, &job->request,
      [](uv_work_t* request) {
        Job& running = *static_cast<Job*>(request->data);
        running.written = Spool::write(*running.files, running.copy, *running.source);
      },
      [](uv_work_t* request, int) {
        Job& done = *static_cast<Job*>(request->data);
        done.keeper->finished(done);
      });
  if (failed == 0) job_ = std::move(job);
}

void DiskKeeper::finished(Job& job) {
  const event::StreamKey stream = job.copy.header.description.key();
  const Spool::Key key{stream, job.copy.header.generation};
  const base::Status status = spool_.finish(std::move(job.copy), job.written).status();
  if (!status.ok() && status.code() == base::Errc::kNotFound) nothingBehind_.insert(key);
  noteCopied(status);
  if (job.isOver) forget(stream);
  counts_.spoolBytes = spool_.diskBytes();
  job_.reset();
  copied_();
}

void DiskKeeper::noteCopied(const base::Status& status) {
  // Nothing behind what is acknowledged: there is nothing to keep.
  const bool failed = !status.ok() && status.code() != base::Errc::kNotFound;
  if (failed && !counts_.spoolFailing.exchange(true)) {
    base::logWarn("agent: no copy in the spool: " + status.message());
  }
  if (!failed) counts_.spoolFailing = false;
}

void DiskKeeper::keepAll(StreamRegistry& streams, TailContext& context) {
  if (options_.spoolDirectory.empty()) return;
  std::vector<Held> held;
  for (auto& [key, stream] : streams.all()) {
    stream.tailer->refresh(context);
    stream.tailer->collectHeld(options_.patience, context, held);
  }
  const base::Nanos now = context.clock.steady();
  for (const Held& one : held) {
    // Nobody writes to a deleted file of a container that is gone, whatever its grace.
    const bool isOver = one.finalAt <= now || (one.unlinked && one.finalAt != base::Nanos::max());
    if (!one.atRisk || !isOver || !mayCopy(one)) continue;
    SpoolHeader header = headerOf(one);
    const bool underWay = job_ != nullptr && job_->copy.header.description == header.description &&
                          job_->copy.header.generation == header.generation;
    if (header.generation.fingerprint == 0 || underWay) continue;
    noteCopied(spool_.copy(std::move(header), one.tailer->fileOf(one.index)).status());
  }
}

void DiskKeeper::giveUp(const std::vector<Held>& held, StreamRegistry& streams,
                        TailContext& context, std::vector<FollowedStream*>& dirty) {
  std::vector<HeldGeneration> all;
  for (size_t i = 0; i < held.size(); ++i) {
    if (!held[i].unlinked) continue;
    const uint64_t disk = held[i].tailer->fileOf(held[i].index).diskBytes();
    const uint64_t lost =
        held[i].elsewhere ? 0
                          : std::max<uint64_t>(held[i].tailer->unsealedBytesOf(held[i].index), 1);
    all.push_back({i, false, held[i].tailer->rotatedNanosOf(held[i].index), disk, lost});
  }
  std::vector<const SpooledGeneration*> copies;
  for (const auto& [key, copy] : spool_.copies()) {
    const FollowedStream* stream = streams.find(key.first);
    const uint64_t lost = stream == nullptr ? copy.header.to - copy.header.from
                                            : stream->tailer->lostWithCopy(copy.header);
    all.push_back(
        {held.size() + copies.size(), true, copy.header.rotatedNanos, copy.diskBytes, lost});
    copies.push_back(&copy);
  }
  if (all.empty()) {
    counts_.diskLow = false;
    return;
  }
  const std::vector<HeldGeneration> tooMuch = disk_.decide(std::move(all));
  if (!tooMuch.empty() && !counts_.diskLow.exchange(true)) {
    base::logWarn("agent: the disk is low: deleted files and copies in the spool are given up");
  }
  if (tooMuch.empty()) counts_.diskLow = false;
  for (const HeldGeneration& one : tooMuch) {
    if (one.id >= held.size()) continue;
    const Held& file = held[one.id];
    if (file.elsewhere && file.tailer->useCompressed(file.index, context)) continue;
    file.tailer->giveUp(file.index, context);
    dirty.push_back(streams.find(file.tailer->key()));
  }
  for (const HeldGeneration& one : tooMuch) {
    if (one.id < held.size()) continue;
    giveUpCopyOf(*copies[one.id - held.size()], streams, context, dirty);
  }
}

void DiskKeeper::giveUpCopyOf(const SpooledGeneration& copy, StreamRegistry& streams,
                              TailContext& context, std::vector<FollowedStream*>& dirty) {
  const Spool::Key key{copy.header.description.key(), copy.header.generation};
  if (FollowedStream* stream = streams.find(key.first)) {
    stream->tailer->giveUpCopy(copy.header, context);
    dirty.push_back(stream);
  }
  (void)spool_.remove(key.first, key.second);
}

}  // namespace logtail::agent
