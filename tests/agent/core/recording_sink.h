#pragma once
// The other end of a tail worker in tests: decodes every unit, keeps the books that a ledger keeps,
// acknowledges, and answers announcements. Checks the block law and that ranges join.

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/tail_worker.h"
#include "agent/unit_sink.h"
#include "common/event/unit.h"

namespace logtail::agent::test {

struct SeenRecord {
  std::string message;
  uint8_t flags = 0;
};

class RecordingSink final : public UnitSink {
 public:
  struct StreamBook {
    event::StreamDescription description;
    event::Resume resume;
    std::vector<SeenRecord> records;
    uint64_t recordBytes = 0, dropBytes = 0, lostBytes = 0, consumed = 0;
    std::vector<event::BlockHeader> lossBlocks;  // that lost something, known or not
    unsigned lateBlocks = 0, doubtfulBlocks = 0;
    bool ended = false;
  };

  // Answers go to `worker`, which changes when a test starts another one.
  void attach(TailWorker* worker) {
    const std::lock_guard lock(mutex_);
    worker_ = worker;
  }
  void acknowledge(bool on) {
    const std::lock_guard lock(mutex_);
    acknowledge_ = on;
  }
  void block(bool on) {
    const std::lock_guard lock(mutex_);
    blocked_ = on;
  }

  // Announcements wait for answerAll(): the aggregator is not there yet.
  void silent(bool on) {
    const std::lock_guard lock(mutex_);
    silent_ = on;
  }
  void answerAll();

  bool offer(SealedUnit& unit) override;
  void announce(const event::StreamDescription& description) override;
  void end(const event::StreamKey& key) override;

  // Waits until `done` holds for the books; false after a generous time.
  bool waitFor(const std::function<bool(const std::map<event::StreamKey, StreamBook>&)>& done);
  // All messages of the pod's only stream with this restart number, in order.
  std::vector<std::string> messages(const std::string& pod, uint32_t restart = 0);
  bool waitForCount(const std::string& pod, size_t records, uint32_t restart = 0);
  StreamBook book(const std::string& pod, uint32_t restart = 0);
  std::string violations() {
    const std::lock_guard lock(mutex_);
    return violations_;
  }

 private:
  void take(const event::BlockHeader& block, const std::vector<event::Record>& records);

  std::mutex mutex_;
  std::condition_variable moved_;
  TailWorker* worker_ = nullptr;
  std::map<event::StreamKey, StreamBook> books_;
  bool acknowledge_ = true;
  bool blocked_ = false;
  bool silent_ = false;
  std::string violations_;
};

}  // namespace logtail::agent::test
