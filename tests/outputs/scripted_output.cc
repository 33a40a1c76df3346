#include "tests/outputs/scripted_output.h"

#include "common/base/checksum.h"

namespace logtail::outputs {
namespace {

using Tallies = std::vector<std::pair<event::StreamKey, Tally>>;

// Summed over the records, as an output must.
Tallies talliesOf(const Batch& batch) {
  Tallies sums;
  for (const Block& block : batch.blocks) {
    Tally tally{0, block.header.recordBytes, 0};
    for (const event::Record& record : block.records) {
      const uint64_t seed = event::identitySeed(block.header.stream, record.generation);
      ++tally.records;
      tally.digest += event::recordDigest(seed, record.offset, record.timeNanos, record.flags,
                                          base::hash64(record.message));
    }
    sums.emplace_back(block.header.stream, tally);
  }
  return sums;
}

}  // namespace

ScriptedOutput::ScriptedOutput(Script script, Destination& destination, base::FileSystem& files,
                               base::Clock& clock, const std::string& directory)
    : script_(std::move(script)),
      destination_(destination),
      files_(files),
      clock_(clock),
      directory_(directory),
      held_(script_.hold),
      manifest_(script_.ownCursor ? std::make_unique<Manifest>(files, directory) : nullptr),
      thread_([this] { run(); }) {}

ScriptedOutput::~ScriptedOutput() {
  set([this] { ending_ = true; });
  thread_.join();
}

base::Status ScriptedOutput::start() {
  const std::lock_guard lock(mutex_);
  EXPECT_TRUE(waiting_.empty()) << "started with deliveries out";
  ++starts_;
  changed_.notify_all();
  if (starts_ <= script_.failStarts) return {script_.failWith, "scripted failure"};
  if (manifest_ == nullptr) return {};
  ManifestReport report;
  auto state = manifest_->load(report);
  if (!state.ok()) return state.error();
  LOGTAIL_TRY(files_.createDirectories(directory_));
  destination_.cutBehind(state->progress.position);
  return manifest_->begin(std::move(*state));
}

void ScriptedOutput::take(BatchPtr batch, Delivery delivery) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back({taken_++, std::move(batch), std::move(delivery)});
  changed_.notify_all();
}

// With its own cursor: writes, commits, and only then delivers, all on the runner's thread.
std::optional<base::Nanos> ScriptedOutput::turn() {
  if (manifest_ == nullptr) return std::nullopt;
  std::unique_lock lock(mutex_);
  while (mayDeliver()) {
    if (held_) --newest_;
    Waiting next = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const bool done = commit(std::move(next));
    lock.lock();
    if (!done) waiting_.clear();
  }
  if (waiting_.empty()) return std::nullopt;
  return clock_.steady() + std::chrono::milliseconds(2);
}

void ScriptedOutput::stop() {
  std::deque<Waiting> lost;  // its deliveries fire retry
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !busy_; });
  lost.swap(waiting_);
  changed_.notify_all();
}

void ScriptedOutput::forget(const std::vector<event::StreamKey>& streams) {
  ManifestChange change;
  change.forget = streams;
  EXPECT_TRUE(manifest_->commit(change).ok());
  set([&] { forgotten_ = streams; });
}

void ScriptedOutput::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ending_ || (manifest_ == nullptr && mayDeliver()); });
    if (ending_) return;
    const bool newest = held_ || script_.newestFirst;
    if (held_) --newest_;
    const auto at = newest ? waiting_.end() - 1 : waiting_.begin();
    Waiting next = std::move(*at);
    waiting_.erase(at);
    busy_ = true;
    lock.unlock();
    deliver(std::move(next));
    lock.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

void ScriptedOutput::deliver(Waiting next) {
  if (script_.retries.contains(next.number)) return next.delivery.retry("scripted retry");
  destination_.write(*next.batch);
  next.delivery.delivered(talliesOf(*next.batch));
}

bool ScriptedOutput::commit(Waiting next) {
  if (script_.retries.contains(next.number)) {
    next.delivery.retry("scripted retry");
    return false;
  }
  destination_.write(*next.batch);
  ManifestChange change;
  change.position = next.batch->after;
  for (const auto& [key, tally] : talliesOf(*next.batch)) {
    change.counts[key][Fate::kDelivered] += tally;
  }
  for (const auto& [key, tally] : next.batch->skipped) {
    change.counts[key][Fate::kSkipped] += tally;
  }
  const base::Status done = manifest_->commit(change);
  if (done.ok()) {
    next.delivery.delivered();
  } else {
    next.delivery.retry(done.message());
  }
  return done.ok();
}

}  // namespace logtail::outputs
