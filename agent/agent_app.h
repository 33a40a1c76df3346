#pragma once
// The agent, put together: tail workers, shipper, checkpoint, metrics and health.
//
// Flow: TailWorker (files -> units) -> Shipper (units -> aggregator) -> ACK -> checkpoint and
// workers. Owned by main. start() and stop() are for main's thread; between them everything runs on
// the threads of the parts, and this class only passes messages among them.

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "agent/agent_config.h"
#include "agent/shipper.h"
#include "agent/tail_worker.h"
#include "common/metrics/registry.h"
#include "common/net/standard_endpoints.h"

namespace logtail::agent {

class AgentApp final : public ShipperEvents {
 public:
  AgentApp(AgentConfig config, base::FileSystem& fs, base::Clock& clock);
  ~AgentApp() override;

  // kFixInput for what a person must change, kTooNew for state of a newer version.
  base::Status start();
  // Reads what there is, waits for its acknowledgement (at most drain_timeout), stops everything.
  // False when something is left for the next start.
  bool drainAndStop();

  uint16_t httpPort() const { return http_->port(); }

 private:
  void onConnected(const wire::HelloOk& hello) override;
  void onStreamOk(const event::StreamKey& key, wire::StreamStatus status,
                  const event::Resume& resume, const event::Resume* checkpoint) override;
  void onAcked(AckedBlocks blocks, uint64_t queueId) override;
  void onForbidden(const event::StreamKey& key) override;
  void onRoom() override;
  void onReset(ResetReason reason) override;
  void onStatsDue(bool final) override;

  TailWorker& workerOf(const event::StreamKey& key) {
    return *workers_[key.hash.low % workers_.size()];
  }
  using Deadline = std::chrono::steady_clock::time_point;
  void drainWorkers(Deadline deadline);
  void keepRest();
  std::vector<event::StreamDescription> knownStreams() const;
  base::Status startHttp();
  std::optional<std::string> notYet(std::atomic<bool> TailWorkerCounts::*done,
                                    const char* what) const;
  template <typename Member>
  double sumOf(Member member) const {
    double sum = 0;
    for (const auto& worker : workers_)
      sum += static_cast<double>((worker->counts().*member).load());
    return sum;
  }
  double secondsToRotationLoss() const;
  void addMetrics();
  void addCounters();
  void addShipperCounters();
  void addGauges();
  void addDegraded();

  const AgentConfig config_;
  base::FileSystem& fs_;
  base::Clock& clock_;
  metrics::Registry registry_;
  base::MemoryBudget budget_;
  CheckpointStore checkpoints_;
  net::HealthChecks live_;
  net::HealthChecks ready_;
  std::atomic<bool> knownNode_{true};
  std::atomic<uint64_t> forbiddenStreams_{0};
  uint64_t damagedEntries_ = 0;  // of the checkpoint, at the start
  std::unique_ptr<Shipper> shipper_;
  std::vector<std::unique_ptr<TailWorker>> workers_;
  std::vector<metrics::Registry::Callback> callbacks_;
  std::unique_ptr<net::HttpServer> http_;
};

}  // namespace logtail::agent
