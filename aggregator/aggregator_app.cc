#include "aggregator/aggregator_app.h"

#include <algorithm>
#include <future>

#include "aggregator/ledger_replay.h"
#include "aggregator/ledger_snapshot.h"
#include "common/base/log.h"
#include "common/net/host_port.h"
#include "common/wal/queue_reader.h"
#include "outputs/manifest.h"

namespace logtail::aggregator {
namespace {

constexpr base::Nanos kMaintainEvery = std::chrono::seconds(1);
constexpr base::Nanos kSnapshotWait = std::chrono::seconds(5);

std::chrono::milliseconds toMillis(base::Nanos nanos) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(nanos);
}

std::string describeRecovery(const wal::RecoveryReport& r) {
  std::string text =
      "queue: " + std::to_string(r.segments) + " segments, epoch " + std::to_string(r.epoch);
  if (r.created) text += ", new";
  if (r.tornBytes > 0) text += ", " + std::to_string(r.tornBytes) + " torn bytes cut off";
  if (r.damagedBytes > 0) text += ", " + std::to_string(r.damagedBytes) + " bytes damaged";
  if (r.lostAfterAck > 0) text += ", " + std::to_string(r.lostAfterAck) + " entries lost after ack";
  return text;
}

}  // namespace

AggregatorApp::AggregatorApp(AggregatorConfig config, base::FileSystem& fs, base::Clock& clock)
    : config_(std::move(config)),
      fs_(fs),
      clock_(clock),
      intakeMetrics_(registry_),
      budget_(config_.memory.count),
      ledger_({}, budget_),
      quarantine_(fs_, config_.data.dir + "/quarantine", {}) {}

AggregatorApp::~AggregatorApp() {
  stop();
}

base::Status AggregatorApp::start() {
  LOGTAIL_TRY(fs_.createDirectories(config_.data.dir));
  LOGTAIL_TRY(openQueue());
  LOGTAIL_TRY(restoreLedger());
  LOGTAIL_TRY(startOutputs());
  LOGTAIL_TRY(startReceiver());
  addMetrics();
  LOGTAIL_TRY(startHttp());
  nextSnapshot_ = clock_.steady() + config_.snapshotInterval;
  maintenance_ = std::thread([this] { maintain(); });
  return {};
}

// What is known to have been durable: what a snapshot or a cursor stands on.
uint64_t AggregatorApp::knownDurable() {
  uint64_t known = 0;
  const auto snapshots = LedgerStore::list(fs_, config_.data.dir + "/ledger");
  if (snapshots.ok() && !snapshots->empty()) known = snapshots->back();
  for (const auto& chosen : config_.outputs) {
    const auto progress = outputs::Manifest::read(fs_, config_.data.dir + "/outputs/" + chosen.id);
    // A position is what comes next: everything before it was durable.
    if (progress.ok() && progress->position)
      known = std::max(known, progress->position->sequence - 1);
  }
  return known;
}

base::Status AggregatorApp::openQueue() {
  wal::QueueOptions options;
  options.directory = config_.data.dir + "/queue";
  options.segmentBytes = config_.queue.segment.count;
  // A twentieth is for cursors, ledger and dead letters, never for frames.
  options.capacityBytes =
      config_.queue.size.count -
      std::max<uint64_t>(config_.queue.size.count / 20, config_.queue.segment.count);
  options.knownDurable = knownDurable();
  options.sync = config_.queue.sync;
  auto describe = [this](const event::StreamKey& key) {
    std::string description;
    describing_.load()->withLedger([&](Ledger& ledger) {
      if (const StreamState* stream = ledger.find(key)) description = stream->description;
    });
    return description;
  };
  auto writer = wal::QueueWriter::open(fs_, clock_, segments_, options, describe, recovery_);
  if (!writer.ok()) return writer.error();
  base::logInfo(describeRecovery(recovery_));
  log_ = std::make_unique<wal::CommitLog>(std::move(*writer), segments_, wal::CommitLog::Options{});
  return {};
}

base::Status AggregatorApp::restoreLedger() {
  store_ = std::make_unique<LedgerStore>(fs_, config_.data.dir + "/ledger", recovery_.queueId);
  const auto loaded = store_->load(ledger_, segments_.oldestSequence());
  if (!loaded.ok()) return loaded.error();
  LedgerReplay replay(ledger_);
  wal::QueueReader reader(fs_, segments_, loaded->sequence + 1);
  for (;;) {
    const auto next = reader.next();
    if (!next.ok()) return next.error();
    if (*next == wal::QueueReader::Next::kWait) break;
    replay.apply(reader.entry());
  }
  replayLost_ = reader.counts().lostEntries;
  base::logInfo("ledger: " + std::to_string(ledger_.streamCount()) + " streams, " +
                std::to_string(replay.entries()) + " entries replayed");
  LOGTAIL_TRY(quarantine_.open());
  intake_ = std::make_unique<Intake>(ledger_, *log_, quarantine_, clock_, intakeMetrics_,
                                     segments_.durableSequence(), Intake::Options{});
  describing_ = intake_.get();
  return {};
}

base::Status AggregatorApp::startOutputs() {
  return {};
}

base::Status AggregatorApp::startReceiver() {
  const auto address = net::parseHostPort(config_.listen);
  if (!address.ok()) return address.error();
  Receiver::Options options;
  options.host = address->host;
  options.port = address->port;
  receiver_ = std::make_unique<Receiver>(options, *intake_, budget_, clock_, intakeMetrics_);
  LOGTAIL_TRY(receiver_->start());
  base::logInfo("aggregator: agents on port " + std::to_string(receiver_->port()));
  return {};
}

base::Status AggregatorApp::startHttp() {
  http_ = std::make_unique<net::HttpServer>(net::HttpLimits{}, registry_);
  live_.add("process", [] { return std::nullopt; });
  ready_.add("acknowledging", [this]() -> std::optional<std::string> {
    if (intake_->stopped()) return intake_->stopReason();
    return std::nullopt;
  });
  net::addStandardEndpoints(*http_, registry_, live_, ready_);
  http_->handle("GET", "/v1/audit", [this](const auto& request) { return answerAudit(request); });
  http_->handle("POST", "/v1/admin/forget-node",
                [this](const auto& request) { return answerForget(request); });
  const auto address = net::parseHostPort(config_.http.listen);
  if (!address.ok()) return address.error();
  LOGTAIL_TRY(http_->start(address->host, address->port));
  base::logInfo("aggregator: http on port " + std::to_string(http_->port()));
  return {};
}

void AggregatorApp::stop() {
  if (http_) http_->stop();
  if (receiver_) receiver_->stop(toMillis(config_.drainTimeout));
  if (maintenance_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      wake_.notify_all();
    }
    maintenance_.join();
  }
  const auto deadline = clock_.steady() + config_.drainTimeout;
  for (const auto& output : outputs_) output->drain(deadline);
  if (log_ && intake_ && !saveSnapshot())
    base::logWarn("ledger: no snapshot at the end; the next start replays");
  if (log_) log_->stop();
  for (const auto& output : outputs_) output->stop();
  receiver_.reset();
}

void AggregatorApp::maintain() {
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, kMaintainEvery, [this] { return stopping_; })) {
    lock.unlock();
    maintainOnce();
    lock.lock();
  }
}

void AggregatorApp::maintainOnce() {
  const bool full = log_->counts().full;
  if (full || clock_.steady() >= nextSnapshot_) {
    saveSnapshot();
    nextSnapshot_ = clock_.steady() + config_.snapshotInterval;
  }
  applyRetention();
  const int64_t before = clock_.wallNanos() - config_.queue.retain.count();
  intake_->withLedger([&](Ledger& ledger) { ledger.forgetEnded(before); });
}

// The ledger as of its newest entry, once that entry is durable.
bool AggregatorApp::saveSnapshot() {
  uint64_t sequence = 0;
  std::string bytes;
  intake_->withLedger([&](Ledger& ledger) {
    sequence = ledger.sequence();
    if (sequence > store_->newest()) bytes = LedgerSnapshot::encode(ledger, recovery_.queueId);
  });
  if (bytes.empty()) return true;
  segments_.waitAbove(sequence - 1, kSnapshotWait);
  if (segments_.durableSequence() < sequence) return false;
  const base::Status saved = store_->save(sequence, bytes);
  if (!saved.ok()) base::logWarn("ledger: snapshot not written: " + saved.message());
  return saved.ok();
}

uint64_t AggregatorApp::slowestCursor() {
  uint64_t slowest = segments_.durableSequence();
  for (const auto& output : outputs_) slowest = std::min(slowest, output->delivered());
  return slowest;
}

void AggregatorApp::applyRetention() {
  const bool full = log_->counts().full;
  const int64_t keepFrom = clock_.wallNanos() - config_.queue.retain.count();
  uint64_t old = 0;
  for (const wal::SegmentInfo& info : segments_.snapshot().segments) {
    if (!info.sealed || (info.newestNanos > keepFrom && !full)) break;
    old = info.lastSequence;
  }
  if (full) {
    for (const auto& output : outputs_) output->makeRoom(old);
  }
  const uint64_t through = std::min({old, slowestCursor(), store_->covered()});
  if (through == 0) return;
  log_->run([through](wal::QueueWriter& writer) {
    const auto removed = writer.removeThrough(through);
    if (!removed.ok()) base::logWarn("queue: retention: " + removed.message());
  });
}

AuditInput AggregatorApp::gatherAudit() {
  AuditInput input;
  // Outputs first: what they have by now is at or before where the ledger is then.
  for (const auto& output : outputs_) {
    input.outputs.push_back({output->id(), output->progress(), output->fromOldest()});
  }
  intake_->withLedger([&](Ledger& ledger) {
    input.sequence = ledger.sequence();
    ledger.forEach([&](const StreamState& stream) { input.streams.push_back(stream); });
    ledger.forEachNode([&](const NodeState& node) { input.nodes.push_back(node); });
    input.retired = ledger.retired();
    input.damagedRecords = ledger.damagedRecords();
  });
  segments_.waitAbove(input.sequence == 0 ? 0 : input.sequence - 1, kSnapshotWait);
  input.lostAfterAck = recovery_.lostAfterAck + replayLost_;
  input.nowNanos = clock_.wallNanos();
  return input;
}

net::HttpResponse AggregatorApp::answerAudit(const net::HttpRequest& request) {
  const AuditInput input = gatherAudit();
  const Audit audit = takeAudit(input, fs_, segments_);
  net::HttpResponse response;
  response.contentType = "application/json";
  response.body = toJson(audit, input, request.queryOr("streams") == "1");
  return response;
}

net::HttpResponse AggregatorApp::answerForget(const net::HttpRequest& request) {
  const std::string node = request.queryOr("node");
  net::HttpResponse response;
  if (node.empty()) {
    response.status = 400;
    response.body = "node: expected a node's name\n";
    return response;
  }
  auto done = std::make_shared<std::promise<base::Status>>();
  auto future = done->get_future();
  const base::Status taken =
      intake_->forgetNode(node, [done](const base::Status& status) { done->set_value(status); });
  const base::Status status = taken.ok() ? future.get() : taken;
  response.status = status.ok() ? 200 : status.code() == base::Errc::kNotFound ? 404 : 503;
  response.body = status.ok()
                      ? "node " + node + " is forgotten; what it still had is booked as lost\n"
                      : status.message() + "\n";
  return response;
}

void AggregatorApp::addMetrics() {
  const auto gauge = [&](const char* name, const char* help, std::function<double()> read) {
    callbacks_.push_back(registry_.gaugeCallback(name, help, {}, std::move(read)));
  };
  gauge("logtail_queue_used_bytes", "Of segment files.",
        [this] { return static_cast<double>(log_->counts().usedBytes); });
  gauge("logtail_queue_capacity_bytes", "Most bytes of segment files.",
        [this] { return static_cast<double>(config_.queue.size.count); });
  gauge("logtail_queue_full", "1 while nothing is taken in for want of room.",
        [this] { return log_->counts().full ? 1.0 : 0.0; });
  gauge("logtail_queue_waiting_bytes", "Appended, not durable yet.",
        [this] { return static_cast<double>(log_->counts().waitingBytes); });
  const auto counter = [&](const char* name, const char* help, auto member) {
    callbacks_.push_back(registry_.counterCallback(name, help, {}, [this, member] {
      return static_cast<double>(log_->counts().queue.*member);
    }));
  };
  counter("logtail_queue_entries_total", "Entries made durable.", &wal::QueueCounts::entries);
  counter("logtail_queue_bytes_total", "Bytes made durable.", &wal::QueueCounts::bytes);
  counter("logtail_queue_syncs_total", "fdatasync calls of segments.", &wal::QueueCounts::syncs);
  counter("logtail_queue_sync_failures_total", "Failed writes and syncs of segments.",
          &wal::QueueCounts::syncFailures);
  for (const auto& output : outputs_) {
    callbacks_.push_back(registry_.gaugeCallback(
        "logtail_output_lag_entries", "Durable entries an output has not delivered.",
        {{"output", output->id()}}, [this, &output] {
          const uint64_t durable = segments_.durableSequence();
          return static_cast<double>(durable - std::min(durable, output->delivered()));
        }));
  }
}

}  // namespace logtail::aggregator
