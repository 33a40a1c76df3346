#include "aggregator/aggregator_app.h"

#include <algorithm>
#include <future>

#include "aggregator/ledger_replay.h"
#include "common/base/log.h"
#include "common/net/host_port.h"
#include "common/wal/queue_reader.h"
#include "outputs/manifest.h"

namespace logtail::aggregator {
namespace {

constexpr base::Nanos kForgetWait = std::chrono::seconds(2);

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

AggregatorApp::AggregatorApp(AggregatorConfig config, const outputs::OutputRegistry& registry,
                             base::FileSystem& fs, base::Clock& clock)
    : config_(std::move(config)),
      fs_(fs),
      clock_(clock),
      outputTypes_(registry),
      intakeMetrics_(metrics_),
      budget_(config_.memory.count / 2),
      outputsBudget_(config_.memory.count / 2),
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
  maintenance_->start();
  return {};
}

// What is known to have been durable: what a snapshot or a cursor stands on. kTooNew for a snapshot
// or a cursor of a newer version: nothing is touched yet.
base::Result<uint64_t> AggregatorApp::knownDurable() {
  uint64_t known = 0;
  const std::string ledger = config_.data.dir + "/ledger";
  LOGTAIL_TRY(LedgerStore(fs_, ledger, 0).checkVersions());
  const auto snapshots = LedgerStore::list(fs_, ledger);
  if (snapshots.ok() && !snapshots->empty()) known = snapshots->back();
  for (const auto& chosen : config_.outputs) {
    const auto progress = outputs::Manifest::read(fs_, outputDirectory(chosen.id));
    if (!progress.ok() && progress.code() == base::Errc::kTooNew) return progress.error();
    // A position is what comes next: everything before it was durable. 0: none was reached yet.
    if (progress.ok() && progress->position && progress->position->sequence > 0)
      known = std::max(known, progress->position->sequence - 1);
  }
  return known;
}

std::string AggregatorApp::describe(const event::StreamKey& key) {
  std::string description;
  describing_.load()->withLedger([&](Ledger& ledger) {
    if (const StreamState* stream = ledger.find(key)) description = stream->description;
  });
  return description;
}

// A twentieth is for cursors and ledger, never for frames.
uint64_t AggregatorApp::queueCapacity() const {
  const uint64_t size = config_.queue.size.count;
  return size - std::max<uint64_t>(size / 20, config_.queue.segment.count);
}

base::Status AggregatorApp::openQueue() {
  wal::QueueOptions options;
  options.directory = config_.data.dir + "/queue";
  options.segmentBytes = config_.queue.segment.count;
  options.capacityBytes = queueCapacity();
  const auto known = knownDurable();
  if (!known.ok()) return known.error();
  options.knownDurable = *known;
  options.sync = config_.queue.sync;
  auto writer = wal::QueueWriter::open(
      fs_, clock_, segments_, options, [this](const auto& key) { return describe(key); },
      recovery_);
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
  beginning_ =
      std::make_unique<OutputBeginning>(fs_, segments_, recovery_.queueId, recovery_.epoch,
                                        [this](const auto& use) { intake_->withLedger(use); });
  for (const auto& chosen : config_.outputs) LOGTAIL_TRY(startOutput(chosen));
  Maintenance::Options options;
  options.queueId = recovery_.queueId;
  options.snapshotInterval = config_.snapshotInterval;
  options.retain = config_.queue.retain;
  maintenance_ = std::make_unique<Maintenance>(options, *intake_, *store_, *log_, segments_,
                                               outputs_, fs_, budget_, clock_);
  return {};
}

base::Status AggregatorApp::startOutput(const config::Chosen<outputs::OutputSettings>& chosen) {
  outputs::OutputContext context;
  context.id = chosen.id;
  context.directory = outputDirectory(chosen.id);
  context.queueId = recovery_.queueId;
  context.files = &fs_;
  context.clock = &clock_;
  context.metrics = &metrics_;
  auto output = outputTypes_.make(chosen, context);
  if (!output.ok()) return {output.code(), "outputs." + chosen.id + ": " + output.message()};
  outputs::RunnerContext running;
  running.id = chosen.id;
  running.directory = context.directory;
  running.queueId = recovery_.queueId;
  running.files = &fs_;
  running.clock = &clock_;
  running.queue = &segments_;
  running.metrics = &metrics_;
  running.memory = &outputsBudget_;
  running.describe = [this](const event::StreamKey& key) { return describe(key); };
  running.begin = [this](outputs::FirstStart from, const outputs::CountsMap& have) {
    return beginning_->find(from, have);
  };
  outputs_.push_back(std::make_unique<outputs::OutputRunner>(std::move(running), *chosen.settings,
                                                             std::move(*output)));
  return outputs_.back()->start();
}

base::Status AggregatorApp::startReceiver() {
  const auto address = net::parseHostPort(config_.listen);
  if (!address.ok()) return address.error();
  Receiver::Options options;
  options.host = address->host;
  options.port = address->port;
  options.tlsDirectory = config_.tls.dir;
  receiver_ = std::make_unique<Receiver>(options, *intake_, budget_, clock_, intakeMetrics_);
  LOGTAIL_TRY(receiver_->start());
  base::logInfo("aggregator: agents on port " + std::to_string(receiver_->port()));
  if (config_.tls.dir.empty() && !net::isLoopback(address->host)) {
    base::logWarn(
        "aggregator: no TLS (insecure: true): whoever reaches the port may send as any node");
  }
  return {};
}

base::Status AggregatorApp::startHttp() {
  http_ = std::make_unique<net::HttpServer>(net::HttpLimits{}, metrics_);
  live_.add("process", [] { return std::nullopt; });
  ready_.add("acknowledging", [this]() -> std::optional<std::string> {
    if (intake_->stopped()) return intake_->stopReason();
    return std::nullopt;
  });
  net::addStandardEndpoints(*http_, metrics_, live_, ready_);
  http_->handleSlowly("GET", "/v1/audit",
                      [this](const auto& request) { return answerAudit(request); });
  http_->handleSlowly("POST", "/v1/admin/forget-node",
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
  if (maintenance_) maintenance_->stop();
  const auto deadline = clock_.steady() + config_.drainTimeout;
  for (const auto& output : outputs_) {
    if (!output->drain(deadline)) {
      base::logWarn("output " + output->id() +
                    ": not everything is delivered; the next start goes on");
    }
  }
  if (maintenance_ && !maintenance_->saveSnapshot())
    base::logWarn("ledger: no snapshot at the end; the next start replays");
  for (const auto& output : outputs_) output->stop();
  if (log_) log_->stop();
  maintenance_.reset();
  callbacks_.clear();
  outputs_.clear();
  receiver_.reset();
}

net::HttpResponse AggregatorApp::answerAudit(const net::HttpRequest& request) {
  AuditInput input = gatherAudit(*intake_, outputs_, segments_, clock_);
  // The replay meets what recovery has counted already.
  input.lostAfterAck = std::max(recovery_.lostAfterAck, replayLost_);
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
  // A queue without room makes nothing durable, and this thread answers for everybody.
  const bool answered = taken.ok() && future.wait_for(kForgetWait) == std::future_status::ready;
  const base::Status notYet(base::Errc::kRetry, "not durable yet: is the queue full?");
  const base::Status status = answered ? future.get() : taken.ok() ? notYet : taken;
  response.status = status.ok() ? 200 : status.code() == base::Errc::kNotFound ? 404 : 503;
  response.body = status.ok()
                      ? "node " + node + " is forgotten; what it still had is booked as lost\n"
                      : status.message() + "\n";
  return response;
}

void AggregatorApp::addMetrics() {
  const auto gauge = [&](const char* name, const char* help, std::function<double()> read) {
    callbacks_.push_back(metrics_.gaugeCallback(name, help, {}, std::move(read)));
  };
  gauge("logtail_queue_used_bytes", "Of segment files.",
        [this] { return static_cast<double>(log_->counts().usedBytes); });
  gauge("logtail_queue_capacity_bytes", "Most bytes of segment files.",
        [this] { return static_cast<double>(queueCapacity()); });
  gauge("logtail_queue_full", "1 while nothing is taken in for want of room.",
        [this] { return log_->counts().full ? 1.0 : 0.0; });
  gauge("logtail_queue_waiting_bytes", "Appended, not durable yet.",
        [this] { return static_cast<double>(log_->counts().waitingBytes); });
  const auto counter = [&](const char* name, const char* help, auto member) {
    callbacks_.push_back(metrics_.counterCallback(name, help, {}, [this, member] {
      return static_cast<double>(log_->counts().queue.*member);
    }));
  };
  counter("logtail_queue_entries_total", "Entries made durable.", &wal::QueueCounts::entries);
  counter("logtail_queue_bytes_total", "Bytes made durable.", &wal::QueueCounts::bytes);
  counter("logtail_queue_syncs_total", "fdatasync calls of segments.", &wal::QueueCounts::syncs);
  counter("logtail_queue_sync_failures_total", "Failed writes and syncs of segments.",
          &wal::QueueCounts::syncFailures);
  counter("logtail_queue_condemned_segments_total", "Segments given up after a failed sync.",
          &wal::QueueCounts::condemnedSegments);
  counter("logtail_queue_failed_rolls_total", "Segments that could not be made.",
          &wal::QueueCounts::failedRolls);
  gauge("logtail_queue_lost_after_ack_entries", "Found lost at the start, below the durable mark.",
        [this] { return static_cast<double>(std::max(recovery_.lostAfterAck, replayLost_)); });
  gauge("logtail_queue_damaged_bytes", "Found damaged at the start.",
        [this] { return static_cast<double>(recovery_.damagedBytes); });
  gauge("logtail_quarantine_files", "Poison frames set aside, still there.",
        [this] { return static_cast<double>(quarantine_.counts().files); });
  gauge("logtail_quarantine_not_stored", "Poison frames for which there was no room.",
        [this] { return static_cast<double>(quarantine_.counts().notStored); });
  addLedgerMetrics();
  addOutputMetrics();
}

void AggregatorApp::addLedgerMetrics() {
  const auto counter = [&](const char* name, const char* help, auto member) {
    callbacks_.push_back(metrics_.counterCallback(name, help, {}, [this, member] {
      uint64_t value = 0;
      intake_->withLedger([&](Ledger& ledger) { value = ledger.letGo().*member; });
      return static_cast<double>(value);
    }));
  };
  counter("logtail_streams_forgotten_early_total",
          "Ended streams that the ledger let go of before queue.retain, for want of room.",
          &Ledger::LetGo::streams);
  counter("logtail_generations_forgotten_unfinished_total",
          "Files beyond the newest of a stream that were let go of before their end was told.",
          &Ledger::LetGo::generations);
}

void AggregatorApp::addOutputMetrics() {
  for (const auto& output : outputs_) {
    const auto perOutput = [&](const char* name, const char* help, std::function<double()> read) {
      callbacks_.push_back(
          metrics_.gaugeCallback(name, help, {{"output", output->id()}}, std::move(read)));
    };
    perOutput("logtail_output_lag_entries", "Durable entries an output has not delivered.",
              [this, runner = output.get()] {
                const uint64_t durable = segments_.durableSequence();
                return static_cast<double>(durable - std::min(durable, runner->delivered()));
              });
    perOutput("logtail_output_up", "0 while the output waits to try again.",
              [runner = output.get()] { return runner->problem() ? 0.0 : 1.0; });
  }
}

}  // namespace logtail::aggregator
