#pragma once
// An output that does what the test says, from a thread of its own, and the destination it writes
// to, which outlives it and every crash.

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "outputs/output.h"

namespace logtail::outputs {

// What there is of each line, by the position behind the batch that brought it. Any thread.
class Destination {
 public:
  void write(const Batch& batch) {
    const std::lock_guard lock(mutex_);
    for (const Block& block : batch.blocks) {
      for (const event::Record& record : block.records) {
        lines_[{batch.after.sequence, batch.after.unit}].emplace_back(record.message);
        ++written_;
      }
    }
    changed_.notify_all();
  }
  // As an output with its own cursor: what was written behind it is taken back.
  void cutBehind(const std::optional<wal::Position>& cursor) {
    const std::lock_guard lock(mutex_);
    const Place end = cursor ? Place{cursor->sequence, cursor->unit} : Place{0, 0};
    lines_.erase(lines_.upper_bound(end), lines_.end());
  }
  void awaitLines(uint64_t lines) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(20), [&] { return written_ >= lines; }));
  }
  // How often each line is there.
  std::map<std::string, unsigned> copies() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, unsigned> found;
    for (const auto& [place, lines] : lines_) {
      for (const std::string& line : lines) ++found[line];
    }
    return found;
  }

 private:
  using Place = std::pair<uint64_t, uint32_t>;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<Place, std::vector<std::string>> lines_;
  uint64_t written_ = 0;
};

struct Script {
  bool ownCursor = false;    // keeps a manifest itself, with what it wrote
  bool newestFirst = false;  // of the batches that wait
  bool hold = false;         // delivers nothing until release()
  unsigned failStarts = 0;
  base::Errc failWith = base::Errc::kRetry;
  std::set<unsigned> retries;  // batches, counted from 0 over all starts
};

class ScriptedOutput final : public Output {
 public:
  ScriptedOutput(Script script, Destination& destination, base::FileSystem& files,
                 base::Clock& clock, const std::string& directory);
  ~ScriptedOutput() override;

  base::Status start() override;
  Manifest* cursor() override { return manifest_.get(); }
  void take(BatchPtr batch, Delivery delivery) override;
  std::optional<base::Nanos> turn() override;
  void stop() override;
  void forget(const std::vector<event::StreamKey>& streams) override;

  // --- the test's ---
  void release() {
    set([this] { held_ = false; });
  }
  // Lets the newest batch that waits go, the others stay.
  void releaseNewest() {
    set([this] { ++newest_; });
  }
  void awaitTaken(unsigned batches) {
    await([&] { return taken_ >= batches; });
  }
  void awaitStarts(unsigned starts) {
    await([&] { return starts_ >= starts; });
  }
  unsigned starts() const { return locked(starts_); }
  unsigned taken() const { return locked(taken_); }
  std::vector<event::StreamKey> forgotten() const {
    const std::lock_guard lock(mutex_);
    return forgotten_;
  }

 private:
  struct Waiting {
    unsigned number = 0;
    BatchPtr batch;
    Delivery delivery;
  };

  unsigned locked(const unsigned& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }
  template <typename Change>
  void set(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <typename Ready>
  void await(Ready ready) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), ready));
  }
  bool mayDeliver() const { return !waiting_.empty() && (!held_ || newest_ > 0); }
  void run();
  void deliver(Waiting next);
  bool commit(Waiting next);

  const Script script_;
  Destination& destination_;
  base::FileSystem& files_;
  base::Clock& clock_;
  const std::string directory_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Waiting> waiting_;
  std::vector<event::StreamKey> forgotten_;
  bool held_;
  unsigned newest_ = 0;
  bool busy_ = false;  // the thread has a batch in hand
  bool ending_ = false;
  unsigned starts_ = 0;
  unsigned taken_ = 0;
  const std::unique_ptr<Manifest> manifest_;
  std::thread thread_;
};

}  // namespace logtail::outputs
