#pragma once
// The aggregator, put together: queue, ledger, receiver, outputs, audit, metrics and health.
//
// Start: queue recovery -> ledger snapshot -> replay -> outputs -> receiver -> HTTP. Stop: receiver
// -> queue (drain, mark) -> outputs (to the mark, bounded) -> snapshot. Owned by main; start() and
// stop() are for main's thread; Maintenance does what time asks for. Failure: state of a newer
// version or a bad address ends start(); a full disk makes agents wait; a disk that cannot be
// trusted stops acknowledging and readiness, never the process.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/aggregator_config.h"
#include "aggregator/audit.h"
#include "aggregator/intake.h"
#include "aggregator/ledger_store.h"
#include "aggregator/maintenance.h"
#include "aggregator/output_beginning.h"
#include "aggregator/receiver.h"
#include "common/net/standard_endpoints.h"
#include "outputs/output_registry.h"

namespace logtail::aggregator {

class AggregatorApp {
 public:
  // `registry` makes the outputs.
  AggregatorApp(AggregatorConfig config, const outputs::OutputRegistry& registry,
                base::FileSystem& fs, base::Clock& clock);
  ~AggregatorApp();

  base::Status start();
  void stop();

  uint16_t agentPort() const { return receiver_->port(); }
  uint16_t httpPort() const { return http_->port(); }

 private:
  base::Status openQueue();
  base::Status restoreLedger();
  base::Status startOutputs();
  base::Status startOutput(const config::Chosen<outputs::OutputSettings>& chosen);
  std::string describe(const event::StreamKey& key);
  base::Status startReceiver();
  base::Status startHttp();
  void addMetrics();
  void addLedgerMetrics();
  void addOutputMetrics();
  base::Result<uint64_t> knownDurable();
  uint64_t queueCapacity() const;
  std::string outputDirectory(const std::string& id) const {
    return config_.data.dir + "/outputs/" + id;
  }

  net::HttpResponse answerAudit(const net::HttpRequest& request);
  net::HttpResponse answerForget(const net::HttpRequest& request);

  const AggregatorConfig config_;
  base::FileSystem& fs_;
  base::Clock& clock_;
  const outputs::OutputRegistry& outputTypes_;
  metrics::Registry metrics_;
  IntakeMetrics intakeMetrics_;
  base::MemoryBudget budget_;         // of ledger and receiver
  base::MemoryBudget outputsBudget_;  // a share of its own: no side starves the other
  wal::SegmentList segments_;
  wal::RecoveryReport recovery_;
  Ledger ledger_;
  std::unique_ptr<LedgerStore> store_;
  Quarantine quarantine_;
  std::unique_ptr<wal::CommitLog> log_;
  std::unique_ptr<Intake> intake_;
  std::atomic<Intake*> describing_{nullptr};  // set once, before the first commit
  std::unique_ptr<OutputBeginning> beginning_;
  Maintenance::Outputs outputs_;
  std::unique_ptr<Receiver> receiver_;
  std::unique_ptr<Maintenance> maintenance_;
  net::HealthChecks live_;
  net::HealthChecks ready_;
  std::vector<metrics::Registry::Callback> callbacks_;
  std::unique_ptr<net::HttpServer> http_;
  uint64_t replayLost_ = 0;  // entries below the durable mark that replay could not read
};

}  // namespace logtail::aggregator
