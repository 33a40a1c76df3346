#pragma once
// A queue, a disk that crashes and a file output, for tests of what the files hold in the end.
//
//   FileOutputWorld world(seed);
//   while (!world.live(n)) world.reboot(crashSeed);   // n: operations until the machine stops
//   EXPECT_EQ(world.problem(), "");

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "outputs/file_output.h"
#include "tests/outputs/test_batch.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::outputs {

class FileOutputWorld {
 public:
  static constexpr const char* kData = "/data/outputs/out";
  static constexpr const char* kLogs = "/logs";

  explicit FileOutputWorld(uint64_t seed, uint64_t batches = 24);
  ~FileOutputWorld();

  FileSettings settings;
  bool small = true;          // compact the manifest and rotate all the time
  uint64_t feedFailures = 0;  // groups let go

  // One life of the machine: starts the output and feeds it from its cursor until the queue is
  // empty (true) or the machine stopped after `operations` changing operations (false).
  bool live(std::optional<uint64_t> operations);
  // The disk after the machine stopped.
  void reboot(uint64_t crashSeed);
  // Lines of one life without a stop; returns what start() said.
  base::Status startOnly();
  // Everything is delivered: what is wrong with the files and counts, or nothing.
  std::string problem();

  test::CrashFileSystem& disk() { return *disk_; }
  test::FakeClock& clock() { return clock_; }
  metrics::Registry& metrics() { return *metrics_; }
  FileOutput& output() { return *output_; }
  bool starting() const { return starting_; }
  // Called for each new disk, to set faults that last across reboots.
  std::function<void(test::CrashFileSystem&)> onDisk;

  std::shared_ptr<const TestBatch> batch(uint64_t sequence) const;
  uint64_t batches() const { return batches_; }
  std::map<std::string, std::string> logFiles();  // path -> bytes

  void makeOutput();
  bool feed();  // false: the machine stopped

 private:
  std::string checkFiles(const std::map<std::string, std::vector<std::string>>& wanted);
  std::string checkCounts();

  const uint64_t seed_;
  const uint64_t batches_;
  std::mt19937_64 random_;
  test::FakeClock clock_;
  std::unique_ptr<test::CrashFileSystem> disk_;
  std::unique_ptr<metrics::Registry> metrics_;
  std::unique_ptr<FileOutput> output_;
  bool starting_ = false;
};

}  // namespace logtail::outputs
