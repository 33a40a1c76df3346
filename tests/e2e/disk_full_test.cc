// A disk that is really full under the real programs: nobody ends, everything waits, nothing is
// lost or doubled once there is room.

#include <gtest/gtest.h>
#include <poll.h>

#include <cstdlib>
#include <functional>

#include "bench/crash/programs.h"
#include "bench/podcheck/check.h"
#include "tests/support/small_disk.h"
#include "tests/support/temp_dir.h"

namespace logtail {
namespace {

using bench::Target;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::SmallDisk;

constexpr seconds kLimit{60};
constexpr uint64_t kMiB = 1024 * 1024;
constexpr uint64_t kRoom = 1024 * kMiB;

bench::CrashOptions smallOptions() {
  bench::CrashOptions options;
  options.programs = LOGTAIL_BINARY_DIR "/bin";
  options.pods = 4;
  options.rate = 20'000;
  options.queueYaml = "size: 1GiB, segment: 8MiB, retain: 0s";
  options.snapshotInterval = "200ms";
  options.outputYaml = "retry_max: 500ms";
  options.rotateBytes = "256MiB";
  options.rotateEvery = "1h";
  return options;
}

class DiskFull : public testing::Test {
 protected:
  // Why there is none, or nothing.
  std::string mountSmall(const std::string& name, uint64_t bytes) {
    auto disk = SmallDisk::make(dir_ / name, bytes);
    if (!disk.ok()) return disk.message();
    disk_ = std::move(*disk);
    return "";
  }
  void startAll() {
    ASSERT_TRUE(programs_.writeConfigs().ok());
    start(Target::kAggregator);
    start(Target::kAgent);
    ASSERT_TRUE(programs_.startPodsim().ok());
  }
  void start(Target target) {
    ASSERT_TRUE(programs_.start(target).ok());
    const auto ready = programs_.waitReady(target, kLimit);
    ASSERT_TRUE(ready.ok()) << ready.message();
  }
  double metric(Target target, const std::string& name) {
    const auto text = programs_.metrics(target);
    if (!text.ok()) return -1;
    const size_t at = text->find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::atof(text->c_str() + at + name.size() + 2);
  }
  void await(Target target, const std::string& name, const std::function<bool(double)>& wanted) {
    const auto end = std::chrono::steady_clock::now() + kLimit;
    while (!wanted(metric(target, name))) {
      const auto alive = programs_.check();
      ASSERT_TRUE(alive.ok()) << alive.message();
      ASSERT_LT(std::chrono::steady_clock::now(), end)
          << name << " is " << metric(target, name) << "\n"
          << bench::tailOf(programs_.logPath(bench::name(target)), 20);
      ::poll(nullptr, 0, 20);
    }
  }
  void awaitAbove(Target target, const std::string& name, double bound) {
    await(target, name, [bound](double value) { return value > bound; });
  }
  // Twice: what is written once the disk is full is surely tried on the full disk.
  void awaitTwoMore(Target target, const std::string& name) {
    awaitAbove(target, name, metric(target, name) + 1);
  }
  // podsim stops, everything arrives: the audit is clean, and so are the files.
  void finish() {
    ASSERT_TRUE(programs_.stopPodsim(kLimit).ok());
    int code = -1;
    const auto audit = programs_.audit(code);
    ASSERT_TRUE(audit.ok()) << audit.message();
    EXPECT_EQ(code, 0) << *audit;
    for (const Target target : {Target::kAgent, Target::kAggregator}) {
      const auto stopped = programs_.stop(target, kLimit);
      EXPECT_TRUE(stopped.ok()) << stopped.message();
    }
    const auto report = bench::checkDelivery(programs_.root(), programs_.results(), {});
    ASSERT_TRUE(report.ok()) << report.message();
    EXPECT_TRUE(report->clean()) << report->toString();
    EXPECT_GT(report->written, 10'000u);
  }

  test::TempDir dir_;
  std::unique_ptr<SmallDisk> disk_;
  bench::CrashOptions options_ = smallOptions();
  bench::Programs programs_{options_, dir_.path()};
};

TEST_F(DiskFull, OfTheQueueAgentsWaitAndEverythingArrivesOnceThereIsRoom) {
  if (const auto why = mountSmall("data", 10 * kMiB); !why.empty()) GTEST_SKIP() << why;
  options_.rate = 60'000;
  startAll();
  await(Target::kAggregator, "logtail_queue_full", [](double full) { return full == 1; });
  ASSERT_TRUE(disk_->fill().ok());
  awaitTwoMore(Target::kAgent, "logtail_nacks_total{reason=\"queue_full\"}");
  // The start is to do without room, too.
  programs_.kill9(Target::kAggregator);
  start(Target::kAggregator);
  await(Target::kAggregator, "logtail_queue_full", [](double full) { return full == 1; });
  ASSERT_TRUE(disk_->makeRoom(kRoom).ok());
  await(Target::kAggregator, "logtail_queue_full", [](double full) { return full == 0; });
  finish();
}

TEST_F(DiskFull, OfTheFileOutputItWaitsAndTheQueueHoldsEverything) {
  if (const auto why = mountSmall("results", 4 * kMiB); !why.empty()) GTEST_SKIP() << why;
  startAll();
  await(Target::kAggregator, "logtail_output_up{output=\"files\"}",
        [](double up) { return up == 0; });
  ASSERT_TRUE(disk_->fill().ok());
  awaitTwoMore(Target::kAggregator, "logtail_output_retries_total{output=\"files\"}");
  // Taking in goes on.
  awaitTwoMore(Target::kAggregator, "logtail_frames_total");
  EXPECT_EQ(metric(Target::kAggregator, "logtail_queue_full"), 0);
  programs_.kill9(Target::kAggregator);
  start(Target::kAggregator);
  awaitTwoMore(Target::kAggregator, "logtail_output_retries_total{output=\"files\"}");
  ASSERT_TRUE(disk_->makeRoom(kRoom).ok());
  await(Target::kAggregator, "logtail_output_up{output=\"files\"}",
        [](double up) { return up == 1; });
  finish();
}

TEST_F(DiskFull, OfTheAgentsStateLinesFlowOnAndTheStateIsSavedOnceThereIsRoom) {
  if (const auto why = mountSmall("agent-state", kMiB); !why.empty()) GTEST_SKIP() << why;
  options_.rotateBytes = "256KiB";
  options_.rotateEvery = "1s";
  startAll();
  awaitTwoMore(Target::kAgent, "logtail_checkpoint_saves_total");
  ASSERT_TRUE(disk_->fill().ok());
  awaitTwoMore(Target::kAgent, "logtail_checkpoint_failures_total");
  awaitTwoMore(Target::kAggregator, "logtail_frames_total");
  // Nothing is acknowledged: what rotation deletes is wanted in the spool, which has no room.
  programs_.kill9(Target::kAggregator);
  await(Target::kAgent, "logtail_degraded{reason=\"spool\"}", [](double on) { return on == 1; });
  start(Target::kAggregator);
  // Deleted files are still open, and are read there; what this life holds no other one has.
  await(Target::kAgent, "logtail_held_deleted_bytes", [](double held) { return held == 0; });
  EXPECT_EQ(metric(Target::kAgent, "logtail_given_up_bytes_total"), 0);
  programs_.kill9(Target::kAgent);
  start(Target::kAgent);
  awaitTwoMore(Target::kAgent, "logtail_checkpoint_failures_total");
  ASSERT_TRUE(disk_->makeRoom(kRoom).ok());
  awaitTwoMore(Target::kAgent, "logtail_checkpoint_saves_total");
  finish();
}

}  // namespace
}  // namespace logtail
