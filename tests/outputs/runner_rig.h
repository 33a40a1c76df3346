#pragma once
// A runner with a scripted output over a real queue, made anew for each of its lives.

#include "common/base/coding.h"
#include "common/base/log.h"
#include "tests/outputs/queue_rig.h"
#include "tests/outputs/scripted_output.h"

namespace logtail::outputs {

inline StreamTallies operator-(StreamTallies from, const StreamTallies& what) {
  for (const auto& [key, tally] : what) {
    from[key] += {0 - tally.records, 0 - tally.bytes, 0 - tally.digest};
    if (from[key] == Tally{}) from.erase(key);
  }
  return from;
}

class RunnerFixture : public testing::Test {
 protected:
  static constexpr const char* kDirectory = "/data/outputs/out";

  RunnerFixture() {
    base::setLogLevel(base::LogLevel::kError);
    settings.retryMin = settings.retryMax = std::chrono::milliseconds(1);
    limits.records = 1;  // so that a batch is a unit
    reset();
  }
  ~RunnerFixture() override { end(); }

  // Everything anew.
  void reset() {
    end();
    queue = std::make_unique<QueueRig>(clock);
    queue->open();
    destination = std::make_unique<Destination>();
  }
  void make() {
    end();
    metrics = std::make_unique<metrics::Registry>();
    std::unique_ptr<Output> made;
    if (makeOutput) {
      made = makeOutput(
          {"out", kDirectory, queue->fs.get(), &clock, metrics.get(), queue->report.queueId});
    } else {
      auto scripted =
          std::make_unique<ScriptedOutput>(script, *destination, *queue->fs, clock, kDirectory);
      output = scripted.get();
      made = std::move(scripted);
    }
    RunnerContext context;
    context.id = "out";
    context.directory = kDirectory;
    context.queueId = queue->report.queueId;
    context.files = queue->fs.get();
    context.clock = &clock;
    context.queue = queue->list.get();
    context.metrics = metrics.get();
    context.memory = memory.get();
    context.limits = limits;
    context.begin = [this](FirstStart from, const CountsMap& have) -> base::Result<Beginning> {
      Beginning beginning = queue->begin(from, have);
      const unsigned times = ++begins_;
      if (afterBegin) afterBegin(times);
      return beginning;
    };
    runner = std::make_unique<OutputRunner>(std::move(context), settings, std::move(made));
  }
  // A new life, from what the disk holds.
  void start() {
    make();
    if (makeRoomFirst > 0) runner->makeRoom(makeRoomFirst);
    const base::Status started = runner->start();
    ASSERT_TRUE(started.ok()) << started.message();
  }
  void end() {
    if (runner) runner->stop();
    runner.reset();
  }
  bool drained() { return runner->drain(clock.steady() + std::chrono::seconds(20)); }
  // True when the machine did not stop before everything was delivered.
  bool crashedOrDrained() {
    while (!queue->fs->crashed()) {
      if (runner->drain(clock.steady() + std::chrono::milliseconds(1))) {
        end();
        return !queue->fs->crashed();
      }
    }
    return false;
  }
  void awaitProblem() {
    for (int i = 0; !runner->problem() && i < 20'000'000; ++i) std::this_thread::yield();
    ASSERT_TRUE(runner->problem());
  }

  std::map<std::string, unsigned> onceEach() const {
    std::map<std::string, unsigned> all;
    for (uint64_t i = 1; i <= queue->lines; ++i) all["line " + std::to_string(i)] = 1;
    return all;
  }
  // What the durable cursor counts.
  StreamTallies fates(Fate fate) const {
    StreamTallies sum;
    for (const auto& [key, counts] : runner->progress().streams) {
      if (counts[fate] != Tally{}) sum[key] = counts[fate];
    }
    return sum;
  }
  StreamTallies total() const {
    StreamTallies sum = fates(Fate::kDelivered);
    for (const auto& [key, tally] : fates(Fate::kSkipped)) sum[key] += tally;
    return sum;
  }
  uint64_t counter(const std::string& what) {
    return metrics->counter("logtail_output_" + what + "_total", "", {{"output", "out"}}).value();
  }
  unsigned begins() const { return begins_; }

  base::Clock& clock = base::systemClock();
  std::unique_ptr<QueueRig> queue;
  std::unique_ptr<Destination> destination;
  Script script;
  OutputSettings settings;
  BatchLimits limits;
  std::function<std::unique_ptr<Output>(OutputContext)> makeOutput;  // instead of a scripted one
  uint64_t makeRoomFirst = 0;
  std::function<void(unsigned)> afterBegin;  // runner's thread; how often it has asked
  std::unique_ptr<base::MemoryBudget> memory =
      std::make_unique<base::MemoryBudget>(uint64_t{1} << 30);
  std::unique_ptr<metrics::Registry> metrics;
  std::unique_ptr<OutputRunner> runner;
  ScriptedOutput* output = nullptr;  // the runner's

 private:
  std::atomic<unsigned> begins_{0};
};

// With the output's own cursor (true) and with one that the runner keeps.
class RunnerTest : public RunnerFixture, public testing::WithParamInterface<bool> {
 protected:
  RunnerTest() { script.ownCursor = GetParam(); }
};

inline std::string cursorName(const testing::TestParamInfo<bool>& row) {
  return row.param ? "OutputsCursor" : "RunnersCursor";
}

}  // namespace logtail::outputs
