#pragma once
// What the queue promised so far, and whether what a start of it finds keeps that.
//
// Flow: QueueWorkload (seeded actions) tells the model what it wrote and what was acknowledged;
// after a crash, a kill or a failed sync check() opens the queue and compares. A violation is a
// text, not a failed expectation: tests that leave a sync out look for one.

#include <map>
#include <random>
#include <string>
#include <utility>

#include "tests/wal/queue_kit.h"

namespace logtail::wal {

struct QueueModel {
  // What was handed over at (epoch, sequence); a place is never used for two things.
  std::map<std::pair<uint32_t, uint64_t>, std::string> written;
  std::map<uint64_t, std::string> acknowledged;  // committed, or seen behind the durable mark
  uint64_t removedThrough = 0;
  uint64_t queueId = 0;  // of the first start that succeeded; 0: none told to anybody yet
  uint64_t starts = 0;
};

struct Finding {
  std::string broken;    // promise; empty: none
  bool refused = false;  // the file system did not let the queue open or be read
};
// Opens the queue on `fs` into `life` and reads it; what is seen is acknowledged from then on.
Finding look(base::FileSystem& fs, base::Clock& clock, QueueModel& model, QueueLife& life,
             const QueueOptions& options);
// The same on a file system that has no reason to refuse anything. Empty, or what is broken.
std::string check(base::FileSystem& fs, base::Clock& clock, QueueModel& model, QueueLife& life,
                  const QueueOptions& options);

// Opens a queue and does seeded random things with it until they are done or the file system
// refuses.
class QueueWorkload {
 public:
  QueueWorkload(base::FileSystem& fs, test::FakeClock& clock, QueueModel& model, uint64_t seed)
      : fs_(fs), clock_(clock), model_(model), random_(seed) {}

  QueueOptions options = testOptions();
  unsigned actions = 14;

  // Empty, or the promise that a reopen on the way found broken. How it ended: stopped().
  std::string run();
  bool stopped() const { return stopped_; }

 private:
  std::string open();
  void appendAndCommit();
  std::string payload(uint64_t sequence, std::vector<uint64_t>& streams);
  uint64_t below(uint64_t n) { return random_() % n; }

  base::FileSystem& fs_;
  test::FakeClock& clock_;
  QueueModel& model_;
  std::mt19937_64 random_;
  std::unique_ptr<QueueLife> life_;
  bool stopped_ = false;
};

}  // namespace logtail::wal
