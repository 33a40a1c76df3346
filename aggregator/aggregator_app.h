#pragma once
// The aggregator, put together: queue, ledger, receiver, outputs, audit, metrics and health.
//
// Start: queue recovery -> ledger snapshot -> replay -> outputs -> receiver -> HTTP. Stop: receiver
// -> queue (drain, mark) -> outputs (to the mark, bounded) -> snapshot. Owned by main; start() and
// stop() are for main's thread. Its own thread does what time asks for: snapshots, retention,
// forgetting ended streams. Failure: state of a newer version or a bad address ends start(); a full
// disk makes agents wait; a disk that cannot be trusted stops acknowledging and readiness, never
// the process.

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "aggregator/aggregator_config.h"
#include "aggregator/audit.h"
#include "aggregator/intake.h"
#include "aggregator/ledger_store.h"
#include "aggregator/receiver.h"
#include "aggregator/running_output.h"
#include "common/net/standard_endpoints.h"

namespace logtail::aggregator {

class AggregatorApp {
 public:
  AggregatorApp(AggregatorConfig config, base::FileSystem& fs, base::Clock& clock);
  ~AggregatorApp();

  base::Status start();
  void stop();

 private:
  base::Status openQueue();
  base::Status restoreLedger();
  base::Status startOutputs();
  base::Status startReceiver();
  base::Status startHttp();
  void addMetrics();
  uint64_t knownDurable();

  void maintain();
  void maintainOnce();
  bool saveSnapshot();
  void applyRetention();
  uint64_t slowestCursor();

  AuditInput gatherAudit();
  net::HttpResponse answerAudit(const net::HttpRequest& request);
  net::HttpResponse answerForget(const net::HttpRequest& request);

  const AggregatorConfig config_;
  base::FileSystem& fs_;
  base::Clock& clock_;
  metrics::Registry registry_;
  IntakeMetrics intakeMetrics_;
  base::MemoryBudget budget_;
  wal::SegmentList segments_;
  wal::RecoveryReport recovery_;
  Ledger ledger_;
  std::unique_ptr<LedgerStore> store_;
  Quarantine quarantine_;
  std::unique_ptr<wal::CommitLog> log_;
  std::unique_ptr<Intake> intake_;
  std::atomic<Intake*> describing_{nullptr};  // set once, before the first commit
  std::vector<std::unique_ptr<RunningOutput>> outputs_;
  std::unique_ptr<Receiver> receiver_;
  net::HealthChecks live_;
  net::HealthChecks ready_;
  std::vector<metrics::Registry::Callback> callbacks_;
  std::unique_ptr<net::HttpServer> http_;
  uint64_t replayLost_ = 0;  // entries below the durable mark that replay could not read

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  base::Nanos nextSnapshot_{};
  std::thread maintenance_;
};

}  // namespace logtail::aggregator
