#pragma once
// Runs one output: reads the queue for it from its cursor on, tries again what failed, keeps the
// cursor of those that keep none, and gives up what it is told to.
//
// Flow: queue -> BatchReader -> OutputRunner -> Output -> Delivery -> cursor. Owned by the
// aggregator; queue, file system, clock and metrics outlive it. Has one thread, on which the output
// is called; public functions are for any. Failure: whatever goes wrong the output is stopped and
// started again after a back-off, from its cursor; only state of a newer version ends it.
// problem() tells. Other outputs never notice (invariant 5).

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "common/base/memory_budget.h"
#include "outputs/batch_reader.h"
#include "outputs/output.h"
#include "outputs/settings.h"

namespace logtail::outputs {

// Where an output that never ran begins, or one whose next entries retention took away, and what
// each stream had before that: counted as skipped, so that the audit can compare. A zero key stands
// for the streams that the ledger has forgotten.
struct Beginning {
  wal::Position position;
  std::vector<std::pair<event::StreamKey, Tally>> before;
};

struct RunnerContext {
  std::string id;
  std::string directory;  // DATA/outputs/<id>: a cursor kept for the output lies there
  uint64_t queueId = 0;
  base::FileSystem* files = nullptr;
  base::Clock* clock = nullptr;
  wal::SegmentList* queue = nullptr;
  metrics::Registry* metrics = nullptr;
  base::MemoryBudget* memory = nullptr;
  BatchLimits limits;
  BatchReader::Describe describe;
  // `have`: what the output has counted of each stream so far.
  std::function<base::Result<Beginning>(FirstStart from, const CountsMap& have)> begin;
};

class OutputRunner {
 public:
  OutputRunner(RunnerContext context, const OutputSettings& settings,
               std::unique_ptr<Output> output);
  ~OutputRunner();  // stops
  OutputRunner(const OutputRunner&) = delete;
  OutputRunner& operator=(const OutputRunner&) = delete;

  // kPushBack when the memory is not to be had.
  base::Status start();
  // Finishes what is under way and lets go.
  void stop();
  // Waits until everything durable now is delivered, at most until `deadline` (steady). False when
  // something is left.
  bool drain(base::Nanos deadline);

  const std::string& id() const { return context_.id; }
  bool blocks() const { return settings_.full == FullPolicy::kBlock; }
  // Position and counts as they are durable.
  Progress progress() const;
  // Every entry up to here is done, durably.
  uint64_t delivered() const;
  // The queue is full: `full: drop_oldest` gives up what is at or before `through`.
  void makeRoom(uint64_t through);
  // The ledger does not know these streams any more, and all they had is delivered.
  void forget(std::vector<event::StreamKey> streams);
  // Nothing, or why it does not deliver now.
  std::optional<std::string> problem() const;

 private:
  struct InFlight {
    uint64_t number = 0;
    wal::Position after;
    std::vector<std::pair<event::StreamKey, Tally>> skipped;
    std::optional<Outcome> outcome;
  };
  struct Finished {
    uint64_t number = 0;
    Outcome outcome;
  };
  // Outlives the runner in deliveries that are still out.
  struct Mailbox;

  struct Metrics {
    Metrics(metrics::Registry& registry, const std::string& id);
    metrics::Counter& records;
    metrics::Counter& bytes;
    metrics::Counter& skippedRecords;
    metrics::Counter& retries;
    metrics::Counter& undecodable;
  };

  void run();
  base::Status begin();
  base::Status beginOwnCursor();
  base::Status beginAnew(FirstStart from);
  // Delivers until it is to stop, or answers why it has to start again.
  base::Status pump();
  void dispatch(BatchPtr batch);
  base::Status settle();
  void settleOne(InFlight& done);
  base::Status commitOwn(bool now);
  void takeForgotten();
  void wait(uint64_t seen, std::optional<base::Nanos> until);
  bool backOff(base::Nanos wait);
  void setProblem(std::optional<std::string> problem);
  Manifest& cursor() const;

  const RunnerContext context_;
  const OutputSettings settings_;
  const std::unique_ptr<Output> output_;
  const std::unique_ptr<Manifest> own_;  // absent when the output keeps one
  Metrics metrics_;
  base::MemoryBudget::Reservation memory_;
  std::shared_ptr<Mailbox> mailbox_;
  uint64_t subscription_ = 0;
  std::thread thread_;

  // The runner's thread only.
  std::unique_ptr<BatchReader> reader_;
  std::deque<InFlight> inFlight_;
  uint64_t nextNumber_ = 1;
  ManifestChange ownChange_;
  base::Nanos ownChangeSince_{};
  bool progressed_ = false;  // something was delivered since the last start
  uint64_t undecodableSeen_ = 0;
  uint64_t skippedSeen_ = 0;  // entries that retention took from under the reader
};

}  // namespace logtail::outputs
