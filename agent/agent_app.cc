#include "agent/agent_app.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include "common/base/log.h"
#include "common/net/host_port.h"

namespace logtail::agent {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr size_t kOtherDescriptors = 128;
constexpr base::Nanos kLastWord = std::chrono::milliseconds(200);  // to the aggregator, at least

std::string hostName() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

ShipperOptions shipperOptions(const AgentConfig& config) {
  ShipperOptions options;
  options.session.cluster = config.cluster;
  options.session.node = config.node;
  options.session.agentVersion = kVersion;
  options.aggregators = config.aggregators;
  options.windowBytes = config.memory.count / 8;
  if (!config.tls.dir.empty()) options.tls = ShipperTls{config.tls.dir, config.tls.serverName};
  return options;
}

// Log files that may be open: what the process may have but for sockets, state and the like.
size_t openFiles() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 2 * kOtherDescriptors) {
    return kOtherDescriptors;
  }
  return limit.rlim_cur - kOtherDescriptors;
}

TailWorkerOptions workerOptions(const AgentConfig& config, unsigned index) {
  TailWorkerOptions options;
  options.logRoot = config.logs.dir;
  options.cluster = config.cluster;
  options.node = config.node;
  options.index = index;
  options.workers = config.workers;
  options.maxLine = config.logs.maxLine.count;
  options.compressionLevel = config.compression;
  options.startAt = config.readFrom;
  options.watching.interval = config.logs.batchInterval;
  options.grace = config.logs.rotationGrace;
  options.safetyScan = config.logs.safetyScan;
  options.readBytesPerSecond = config.logs.readRate.count;
  options.openFiles = openFiles() / config.workers;
  options.disk.spoolDirectory = config.state.dir + "/spool";
  // Each worker looks after its own share of the streams, and of what they may keep.
  options.disk.limits = {config.disk.max.count / config.workers, config.disk.minFree,
                         config.workers};
  return options;
}

AgentConfig withNode(AgentConfig config) {
  if (config.node.empty()) config.node = hostName();
  return config;
}

}  // namespace

AgentApp::AgentApp(AgentConfig config, base::FileSystem& fs, base::Clock& clock)
    : config_(withNode(std::move(config))),
      fs_(fs),
      clock_(clock),
      budget_(config_.memory.count),
      checkpoints_(fs_, clock_, config_.state.dir) {}

AgentApp::~AgentApp() {
  if (http_) http_->stop();
  for (const auto& worker : workers_) worker->stop();
  if (shipper_) shipper_->stop();
}

base::Status AgentApp::start() {
  LOGTAIL_TRY(fs_.createDirectories(config_.state.dir));
  LOGTAIL_TRY(checkpoints_.load());
  damagedEntries_ = checkpoints_.damagedEntries();
  if (damagedEntries_ > 0) {
    base::logError("agent: " + std::to_string(damagedEntries_) +
                   " entries of the checkpoint are damaged; the ledger tells where they stand");
  }
  shipper_ = std::make_unique<Shipper>(shipperOptions(config_), checkpoints_, clock_, *this);
  for (unsigned i = 0; i < config_.workers; ++i) {
    TailWorkerOptions options = workerOptions(config_, i);
    options.knownStreams = knownStreams();
    options.disk.files = &fs_;
    workers_.push_back(
        std::make_unique<TailWorker>(std::move(options), *shipper_, budget_, clock_));
  }
  addMetrics();
  LOGTAIL_TRY(startHttp());
  LOGTAIL_TRY(shipper_->start());
  for (const auto& worker : workers_) LOGTAIL_TRY(worker->start());
  base::logInfo("agent: node " + config_.node + " reads " + config_.logs.dir);
  return {};
}

// Those that are acknowledged in part: each worker follows what it finds of its share.
std::vector<event::StreamDescription> AgentApp::knownStreams() const {
  std::vector<event::StreamDescription> known;
  checkpoints_.forEach([&](const event::StreamKey& key, const CheckpointStore::Entry& entry) {
    if (entry.ended || entry.queueId == 0) return;
    auto description = event::decodeStreamDescription(entry.description);
    // Of another node's name or cluster's: not this agent's to end.
    if (description.ok() && description->key() == key && description->node == config_.node) {
      known.push_back(std::move(*description));
    }
  });
  return known;
}

void AgentApp::drainWorkers(Deadline deadline) {
  std::vector<std::future<void>> drained;
  for (const auto& worker : workers_) {
    auto done = std::make_shared<std::promise<void>>();
    drained.push_back(done->get_future());
    worker->drain([done] { done->set_value(); });
  }
  for (auto& worker : drained) worker.wait_until(deadline);
}

void AgentApp::keepRest() {
  std::vector<std::future<void>> kept;
  for (const auto& worker : workers_) {
    auto done = std::make_shared<std::promise<void>>();
    kept.push_back(done->get_future());
    worker->keepRest([done] { done->set_value(); });
  }
  for (auto& worker : kept) worker.wait();
}

bool AgentApp::drainAndStop() {
  const Deadline deadline = std::chrono::steady_clock::now() + config_.drainTimeout;
  drainWorkers(deadline);
  auto done = std::make_shared<std::promise<bool>>();
  std::future<bool> complete = done->get_future();
  const auto left = std::max<base::Nanos>(deadline - std::chrono::steady_clock::now(), kLastWord);
  shipper_->drain(left, [done](bool all) { done->set_value(all); });
  const bool all = complete.get();
  if (!all) {
    base::logWarn("agent: stopped before everything was acknowledged; the next start goes on");
    keepRest();
  }
  http_->stop();
  for (const auto& worker : workers_) worker->stop();
  shipper_->stop();
  return all;
}

void AgentApp::onConnected(const wire::HelloOk& hello) {
  knownNode_ = hello.knownNode;
}

void AgentApp::onStreamOk(const event::StreamKey& key, wire::StreamStatus status,
                          const event::Resume& resume, const event::Resume* checkpoint) {
  if (status == wire::StreamStatus::kForbidden || status == wire::StreamStatus::kEnded) return;
  std::optional<event::Resume> doubtful;
  if (status == wire::StreamStatus::kLostAfterAck && checkpoint != nullptr) doubtful = *checkpoint;
  const bool firstEver = checkpoints_.fresh() && !knownNode_;
  workerOf(key).resume(key, resume, std::move(doubtful), firstEver);
}

// Each worker passes over what is not its own.
void AgentApp::onAcked(AckedBlocks blocks, uint64_t) {
  for (const auto& worker : workers_) worker->acknowledged(blocks);
}

void AgentApp::onForbidden(const event::StreamKey& key) {
  if (forbiddenStreams_.fetch_add(1) == 0) {
    base::logError("agent: stream " + toString(key) + " belongs to another node at the aggregator");
  }
  workerOf(key).forbidden(key);
}

void AgentApp::onRoom() {
  for (const auto& worker : workers_) worker->room();
}

void AgentApp::onReset(ResetReason reason) {
  base::logWarn(std::string("agent: all streams start over: ") + name(reason));
  auto left = std::make_shared<std::atomic<size_t>>(workers_.size());
  for (const auto& worker : workers_) {
    worker->reset([this, left] {
      if (left->fetch_sub(1) == 1) shipper_->resetDone();
    });
  }
}

void AgentApp::onStatsDue(bool final) {
  struct Gathered {
    std::mutex mutex;
    wire::Stats stats;
    size_t left = 0;
  };
  auto gathered = std::make_shared<Gathered>();
  gathered->left = workers_.size();
  gathered->stats.final = final;
  for (const auto& worker : workers_) {
    worker->collectStats([this, gathered](std::vector<wire::StreamStats> streams) {
      const std::lock_guard lock(gathered->mutex);
      auto& all = gathered->stats.streams;
      all.insert(all.end(), streams.begin(), streams.end());
      if (--gathered->left > 0) return;
      gathered->stats.timeNanos = clock_.wallNanos();
      gathered->stats.pendingBytes = shipper_->counters().heldBytes;
      shipper_->sendStats(std::move(gathered->stats));
    });
  }
}

// A node without that directory is more likely one whose logs are not mounted.
std::optional<std::string> AgentApp::notYet(std::atomic<bool> TailWorkerCounts::*done,
                                            const char* what) const {
  size_t left = 0;
  for (const auto& worker : workers_) left += (worker->counts().*done).load() ? 0 : 1;
  if (left == 0) return std::nullopt;
  return std::to_string(left) + " of " + std::to_string(workers_.size()) + " workers could not " +
         what + " " + config_.logs.dir + "/containers yet";
}

base::Status AgentApp::startHttp() {
  http_ = std::make_unique<net::HttpServer>(net::HttpLimits{}, registry_);
  live_.add("process", [] { return std::nullopt; });
  ready_.add("watching", [this] { return notYet(&TailWorkerCounts::rootWatched, "watch"); });
  ready_.add("scanned", [this] { return notYet(&TailWorkerCounts::scanned, "list"); });
  net::addStandardEndpoints(*http_, registry_, live_, ready_);
  const auto address = net::parseHostPort(config_.http.listen);
  if (!address.ok()) return address.error();
  LOGTAIL_TRY(http_->start(address->host, address->port));
  base::logInfo("agent: http on port " + std::to_string(http_->port()));
  return {};
}

}  // namespace logtail::agent
