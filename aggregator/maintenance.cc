#include "aggregator/maintenance.h"

#include <algorithm>

#include "aggregator/ledger_replay.h"
#include "aggregator/ledger_snapshot.h"
#include "common/base/log.h"
#include "common/wal/queue_reader.h"

namespace logtail::aggregator {
namespace {

constexpr base::Nanos kEvery = std::chrono::seconds(1);
constexpr base::Nanos kDurableWait = std::chrono::seconds(5);

}  // namespace

Maintenance::Maintenance(Options options, Intake& intake, LedgerStore& store, wal::CommitLog& log,
                         wal::SegmentList& segments, const Outputs& outputs, base::FileSystem& fs,
                         base::MemoryBudget& budget, base::Clock& clock)
    : options_(options),
      intake_(intake),
      store_(store),
      log_(log),
      segments_(segments),
      outputs_(outputs),
      fs_(fs),
      budget_(budget),
      clock_(clock),
      nextSnapshot_(clock.steady() + options.snapshotInterval) {}

Maintenance::~Maintenance() {
  stop();
}

void Maintenance::start() {
  thread_ = std::thread([this] { run(); });
}

void Maintenance::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  thread_.join();
}

void Maintenance::run() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kEvery, [this] { return stopping_; })) {
    lock.unlock();
    round();
    lock.lock();
  }
}

void Maintenance::round() {
  fullRounds_ = log_.counts().full ? fullRounds_ + 1 : 0;
  const int64_t before = clock_.wallNanos() - options_.retain.count();
  intake_.withLedger([&](Ledger& ledger) { ledger.forgetEnded(before); });
  if (fullRounds_ > 0 || clock_.steady() >= nextSnapshot_) {
    if (!saveSnapshot() && fullRounds_ > 0) saveSnapshotOfDurable();
    nextSnapshot_ = clock_.steady() + options_.snapshotInterval;
  }
  applyRetention();
}

bool Maintenance::saveSnapshot() {
  uint64_t sequence = 0;
  std::string bytes;
  // Streams that an output still counts and this snapshot does not know.
  std::vector<outputs::Progress> progress;
  for (const auto& output : outputs_) progress.push_back(output->progress());
  std::vector<std::vector<event::StreamKey>> forgotten(outputs_.size());
  intake_.withLedger([&](Ledger& ledger) {
    sequence = ledger.sequence();
    if (sequence <= store_.newest()) return;
    bytes = LedgerSnapshot::encode(ledger, options_.queueId);
    for (size_t i = 0; i < progress.size(); ++i) {
      for (const auto& [key, counts] : progress[i].streams) {
        if (ledger.find(key) == nullptr) forgotten[i].push_back(key);
      }
    }
  });
  if (bytes.empty()) return true;
  // What a full queue has taken in does not become durable before there is room.
  if (!log_.counts().full) segments_.waitAbove(sequence - 1, kDurableWait);
  if (segments_.durableSequence() < sequence) return false;
  const base::Status saved = store_.save(sequence, bytes);
  if (!saved.ok()) {
    base::logWarn("ledger: snapshot not written: " + saved.message());
    return false;
  }
  forgetAtOutputs(sequence, forgotten);
  return true;
}

// A full queue leaves the ledger ahead of what is durable until there is room, and room is made
// only behind a snapshot. So the ledger is built once more, as a start would, from what is durable.
bool Maintenance::saveSnapshotOfDurable() {
  const auto segments = segments_.snapshot().segments;
  if (segments.empty() || store_.newest() >= segments.front().lastSequence) return true;
  Ledger ledger({}, budget_);
  base::Status saved = store_.loadNewest(ledger);
  LedgerReplay replay(ledger);
  wal::QueueReader reader(fs_, segments_, store_.newest() + 1);
  while (saved.ok()) {
    const auto next = reader.next();
    if (!next.ok()) saved = next.status();
    if (!next.ok() || *next == wal::QueueReader::Next::kWait) break;
    replay.apply(reader.entry());
  }
  if (saved.ok()) {
    saved = store_.save(ledger.sequence(), LedgerSnapshot::encode(ledger, options_.queueId));
  }
  if (!saved.ok()) base::logWarn("ledger: snapshot not written: " + saved.message());
  return saved.ok();
}

// Outputs that have delivered all a stream had may forget it, too: not before, and not before the
// ledger's forgetting is durable.
void Maintenance::forgetAtOutputs(uint64_t sequence,
                                  const std::vector<std::vector<event::StreamKey>>& keys) {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs_[i]->delivered() < sequence) continue;
    std::vector<event::StreamKey> gone = keys[i];
    // One that came back while the snapshot was written counts anew: it is not to be forgotten.
    intake_.withLedger([&](Ledger& ledger) {
      std::erase_if(gone, [&](const auto& key) { return ledger.find(key) != nullptr; });
    });
    outputs_[i]->forget(std::move(gone));
  }
}

// Of all outputs, or of those that may stop ingest only.
uint64_t Maintenance::slowestCursor(bool all) const {
  uint64_t slowest = segments_.durableSequence();
  for (const auto& output : outputs_) {
    if (all || output->blocks()) slowest = std::min(slowest, output->delivered());
  }
  return slowest;
}

void Maintenance::applyRetention() {
  const bool full = fullRounds_ > 0;
  const int64_t keepFrom = clock_.wallNanos() - options_.retain.count();
  uint64_t old = 0;
  for (const wal::SegmentInfo& info : segments_.snapshot().segments) {
    if (!info.sealed || (info.newestNanos > keepFrom && !full)) break;
    old = info.lastSequence;
    // When full, room for one more is enough.
    if (full && info.newestNanos > keepFrom) break;
  }
  if (full) {
    for (const auto& output : outputs_) output->makeRoom(old);
    if (store_.covered() < old && store_.newest() >= old) store_.keepNewest();
  }
  const uint64_t through = std::min({old, slowestCursor(fullRounds_ < 2), store_.covered()});
  if (through == 0) return;
  log_.run([through](wal::QueueWriter& writer) {
    const auto removed = writer.removeThrough(through);
    if (!removed.ok()) base::logWarn("queue: retention: " + removed.message());
  });
}

}  // namespace logtail::aggregator
