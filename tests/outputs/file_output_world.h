#pragma once
// A queue, a disk that crashes and a file output, for tests of what the files hold.
//
//   FileOutputWorld world(seed);
//   while (!world.live(n)) world.reboot(crashSeed);   // n: operations until the machine stops
//   EXPECT_EQ(world.problem(), "");
//
// After every start that went through it looks for what must not be: files or counts that do not
// hold exactly what lies before the manifest's position, a position behind what was delivered,
// damage seen where there were only crashes. problem() tells the first of these.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "outputs/file_output.h"
#include "tests/outputs/test_batch.h"
#include "tests/outputs/watched_files.h"
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
  bool small = true;  // compact the manifest and rotate all the time
  // Called for each new disk, to set faults that last across reboots.
  std::function<void(test::CrashFileSystem&)> onDisk;

  // One life of the machine: starts the output and feeds it from its cursor until the queue is
  // empty (true) or the machine stopped after `operations` changing operations (false).
  bool live(std::optional<uint64_t> operations);
  // The disk after the machine stopped.
  void reboot(uint64_t crashSeed);
  // Starts the output and no more.
  base::Status startOnly();
  // From the cursor to the queue's end; false when a batch came back.
  bool feed();
  // Everything was delivered: what is or was wrong, or nothing.
  std::string problem();
  // Of the files and counts, when all before `position` and nothing else was delivered.
  std::string problemAt(uint64_t position);

  test::CrashFileSystem& disk() { return *disk_; }
  WatchedFiles& files() { return *files_; }
  test::FakeClock& clock() { return clock_; }
  FileOutput& output() { return *output_; }
  bool starting() const { return starting_; }
  uint64_t failures() const { return failures_; }      // groups let go
  const std::string& lastWhy() const { return why_; }  // of a batch that came back
  uint64_t position() const;                           // the next batch
  uint64_t counter(const std::string& name);           // of this life's output
  std::map<std::string, std::string> logFiles();       // path -> bytes

  const std::shared_ptr<const TestBatch>& batch(uint64_t sequence) const {
    return queue_[sequence - 1];
  }

 private:
  std::shared_ptr<const TestBatch> makeBatch(uint64_t sequence) const;
  void makeOutput();
  void checkStart();
  std::string checkFiles(const std::map<std::string, std::vector<std::string>>& wanted);

  const uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<std::shared_ptr<const TestBatch>> queue_;
  test::FakeClock clock_;
  std::unique_ptr<test::CrashFileSystem> disk_;
  std::unique_ptr<WatchedFiles> files_;
  std::unique_ptr<metrics::Registry> metrics_;
  std::unique_ptr<FileOutput> output_;
  bool starting_ = false;
  uint64_t failures_ = 0;
  uint64_t delivered_ = 1;  // all batches before it
  std::string why_;
  std::string found_;  // the first thing wrong
};

}  // namespace logtail::outputs
