#include "bench/outputs/many_targets.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <thread>
#include <vector>

#include "outputs/file_output.h"

namespace logtail::bench {
namespace {

using base::Result;
using base::Status;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{50};
constexpr unsigned kTicks = 20;  // a second
constexpr size_t kQueueWrite = 256 * 1024;
constexpr uint64_t kQueueFile = 64 * 1024 * 1024;
constexpr std::chrono::milliseconds kQueuePause{10};

double seconds(Clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

double cpuSeconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

double quantile(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  const auto last = static_cast<double>(values.size() - 1);
  const auto at = values.begin() + static_cast<ptrdiff_t>(share * last);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

// The machine's files, without its way of syncing many at once.
class OneByOne final : public base::FileSystem {
 public:
  Result<std::unique_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override {
    return below_.open(path, mode);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return below_.rename(from, to);
  }
  Status remove(const std::string& path) override { return below_.remove(path); }
  Status createDirectories(const std::string& path) override {
    return below_.createDirectories(path);
  }
  Status syncDirectory(const std::string& path) override { return below_.syncDirectory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return below_.list(path);
  }
  Result<base::FileInfo> info(const std::string& path) override { return below_.info(path); }
  Result<base::SpaceInfo> space(const std::string& path) override { return below_.space(path); }

 private:
  base::FileSystem& below_ = base::posixFileSystem();
};

// What the aggregator's queue does beside the output: writes in place and syncs, all the time.
class Queue {
 public:
  explicit Queue(const std::string& path)
      : file_(base::posixFileSystem().open(path, base::OpenMode::kCreate).value()),
        thread_([this] { run(); }) {}
  ~Queue() { stop(); }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  double cpu = 0;
  std::vector<double> millis;  // of a write with its sync; after stop()

 private:
  void run() {
    const std::string bytes(kQueueWrite, 'q');
    for (uint64_t at = 0; at < kQueueFile; at += kQueueWrite) (void)file_->write(at, bytes).ok();
    (void)file_->syncData().ok();
    for (uint64_t at = 0; !stopping_; at = (at + kQueueWrite) % kQueueFile) {
      const auto began = Clock::now();
      if (!file_->write(at, bytes).ok() || !file_->syncData().ok()) return;
      millis.push_back(1000 * seconds(Clock::now() - began));
      std::this_thread::sleep_for(kQueuePause);
    }
    timespec used{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    cpu = static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
  }

  std::unique_ptr<base::File> file_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

class ManyBatch final : public outputs::Batch {
 public:
  ManyBatch(const std::vector<std::shared_ptr<const event::StreamDescription>>& streams,
            size_t first, size_t count, std::string_view message, int64_t time, uint64_t sequence) {
    records_.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      outputs::Block block;
      block.stream = streams[(first + i) % streams.size()];
      block.header.stream = block.stream->key();
      block.header.generation = {7, 0};
      block.header.records = 1;
      block.header.recordBytes = message.size();
      records_.push_back({time, sequence * message.size(), block.header.generation, 0, message});
      block.records = {&records_.back(), 1};
      blocks.push_back(block);
    }
    rawBytes = count * message.size();
    after = {7, 1, sequence + 1, 0, 0};
  }

 private:
  std::vector<event::Record> records_;
};

std::vector<std::shared_ptr<const event::StreamDescription>> makeStreams(unsigned count) {
  std::vector<std::shared_ptr<const event::StreamDescription>> streams;
  for (unsigned i = 0; i < count; ++i) {
    auto stream = std::make_shared<event::StreamDescription>();
    stream->cluster = "prod";
    stream->node = "node-17.example.org";
    stream->namespaceName = "team-" + std::to_string(i % 50);
    stream->pod = "orders-7f8b9c6d5-" + std::to_string(i);
    stream->podUid = "5c1b5a0e-3f0d-4f51-9f0e-" + std::to_string(100'000'000'000 + i);
    stream->container = "app";
    stream->containerId = std::string(64, 'c');
    streams.push_back(std::move(stream));
  }
  return streams;
}

// Feeds the output in real time. How late each batch was committed, in seconds; nothing on failure.
std::vector<double> feed(const ManyTargets& options, outputs::FileOutput& output) {
  const auto streams = makeStreams(options.targets);
  const std::string message(options.messageBytes, 'm');
  const size_t each = options.linesPerSecond / kTicks;
  std::vector<double> lags;
  bool failed = false;
  const auto began = Clock::now();
  for (unsigned tick = 0; tick < options.seconds * kTicks && !failed; ++tick) {
    const auto due = began + tick * kTick;
    std::this_thread::sleep_until(due);
    const auto batch = std::make_shared<ManyBatch>(
        streams, tick * each, each, message, base::systemClock().wallNanos(), uint64_t{tick} + 1);
    output.take(batch, outputs::Delivery([&lags, &failed, due](const outputs::Outcome& outcome) {
                  if (outcome.kind != outputs::Outcome::Kind::kDelivered) failed = true;
                  lags.push_back(seconds(Clock::now() - due));
                }));
    output.turn();
  }
  output.drain();
  return failed ? std::vector<double>() : lags;
}

}  // namespace

int runManyTargets(const ManyTargets& options) {
  namespace fs = std::filesystem;
  fs::remove_all(options.directory);
  fs::create_directories(options.directory);
  OneByOne oneByOne;
  base::FileSystem& files =
      options.oneByOne ? static_cast<base::FileSystem&>(oneByOne) : base::posixFileSystem();
  metrics::Registry metrics;
  outputs::FileSettings settings;
  settings.directory = options.directory + "/logs";
  settings.openFiles = options.openFiles;
  auto made = outputs::FileOutput::make(
      settings, {"bench", options.directory + "/data", &files, &base::systemClock(), &metrics});
  if (!made.ok() || !(*made)->start().ok()) return 1;
  Queue queue(options.directory + "/queue");
  const double before = cpuSeconds();
  const auto began = Clock::now();
  std::vector<double> lags = feed(options, **made);
  const double wall = seconds(Clock::now() - began);
  queue.stop();
  const double cpu = cpuSeconds() - before - queue.cpu;
  const uint64_t commits =
      metrics.counter("logtail_output_commits_total", "", {{"output", "bench"}}).value();
  std::printf(
      "targets=%u lines_per_s=%u open_files=%u %s wall_s=%.1f commits=%llu cpu_percent=%.0f "
      "lag_p50_s=%.2f lag_max_s=%.2f queue_sync_ms p50=%.2f p99=%.2f max=%.1f\n",
      options.targets, options.linesPerSecond, options.openFiles,
      options.oneByOne ? "one-by-one" : "at-once", wall, static_cast<unsigned long long>(commits),
      100 * cpu / wall, quantile(lags, 0.5), quantile(lags, 1), quantile(queue.millis, 0.5),
      quantile(queue.millis, 0.99), quantile(queue.millis, 1));
  return lags.empty() ? 1 : 0;
}

}  // namespace logtail::bench
