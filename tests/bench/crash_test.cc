#include <gtest/gtest.h>
#include <signal.h>

#include "bench/crash/child.h"
#include "bench/crash/node_scan.h"
#include "bench/crash/programs.h"
#include "bench/crash/schedule.h"
#include "bench/podsim/container.h"
#include "bench/podsim/rotate_log.h"
#include "common/base/file_system.h"
#include "tests/support/temp_dir.h"

namespace logtail::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = CrashEvent::Kind;

TEST(CrashSchedule, KillsEachProgramAsOftenAsAskedAndStartsItWithinTheLongestDown) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    CrashOptions options;
    options.seed = seed;
    uint32_t kills[2] = {};
    milliseconds downSince[2] = {};
    bool down[2] = {};
    milliseconds last{0};
    for (const CrashEvent& event : makeSchedule(options)) {
      const auto target = static_cast<size_t>(event.target);
      EXPECT_GE(event.at, last);
      last = event.at;
      EXPECT_EQ(down[target], event.kind == Kind::kStart) << "kill and start take turns";
      down[target] = event.kind == Kind::kKill;
      if (event.kind == Kind::kKill) {
        ++kills[target];
        downSince[target] = event.at;
      } else {
        EXPECT_LE(event.at - downSince[target], options.longestDown);
      }
    }
    EXPECT_LE(last, options.time);
    EXPECT_EQ(kills[0], 20U);
    EXPECT_EQ(kills[1], 20U);
    EXPECT_FALSE(down[0] || down[1]);
  }
}

TEST(CrashSchedule, IsTheSeeds) {
  CrashOptions options;
  const auto times = [&] {
    std::vector<int64_t> all;
    for (const CrashEvent& event : makeSchedule(options)) all.push_back(event.at.count());
    return all;
  };
  const auto first = times();
  EXPECT_EQ(times(), first);
  options.seed = 2;
  EXPECT_NE(times(), first);
}

TEST(CrashSchedule, DeletesTheStateWhileTheAgentIsDown) {
  for (const uint32_t kills : {0, 1, 20}) {
    CrashOptions options;
    options.agentKills = kills;
    options.deleteAgentState = true;
    bool agentDown = false;
    uint32_t deletions = 0;
    for (const CrashEvent& event : makeSchedule(options)) {
      if (event.target != Target::kAgent) continue;
      if (event.kind == Kind::kDeleteState) {
        ++deletions;
        EXPECT_TRUE(agentDown);
      } else {
        agentDown = event.kind == Kind::kKill;
      }
    }
    EXPECT_EQ(deletions, 1U);
    EXPECT_FALSE(agentDown);
  }
}

TEST(CrashCommandLine, LetsOtherOptionsChangeTheShortForm) {
  const char* arguments[] = {"logtail-crash", "--agent-kills", "2", "--short", "--seed", "7"};
  auto options = parseCrashOptions(static_cast<int>(std::size(arguments)), arguments);
  ASSERT_TRUE(options.ok()) << options.message();
  EXPECT_EQ(options->time, seconds(15));
  EXPECT_EQ(options->agentKills, 2U);
  EXPECT_EQ(options->aggregatorKills, 5U);
  EXPECT_EQ(options->seed, 7U);
  EXPECT_FALSE(options->programs.empty());
}

class ChildTest : public ::testing::Test {
 protected:
  Child shell(const std::string& script) {
    auto child = Child::start({"/bin/sh", "-c", script}, dir_ / "log");
    EXPECT_TRUE(child.ok());
    return std::move(*child);
  }
  test::TempDir dir_;
};

TEST_F(ChildTest, TellsTheExitCodeAndKeepsTheOutput) {
  Child child = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(child.wait(seconds(60))->code, 3);
  EXPECT_EQ(tailOf(dir_ / "log", 10), "    out\n    err\n");
  EXPECT_EQ(tailOf(dir_ / "log", 1), "    err\n");
}

TEST_F(ChildTest, EndsAProgramThatDoesNotStopByItself) {
  Child child = shell("trap '' TERM; echo ready; while :; do sleep 1; done");
  while (tailOf(dir_ / "log", 1).find("ready") == std::string::npos && child.running()) {
  }
  const ExitStatus status = child.stop(milliseconds(50));
  EXPECT_EQ(status.signal, SIGKILL);
  EXPECT_FALSE(child.running());
}

TEST_F(ChildTest, NamesAProgramThatIsNotThere) {
  auto child = Child::start({dir_ / "none"}, dir_ / "log");
  EXPECT_EQ(child.code(), base::Errc::kNotFound);
}

TEST(FreePort, GivesPortsOutsideTheRangeOfConnections) {
  auto port = freePort();
  ASSERT_TRUE(port.ok());
  EXPECT_GE(*port, 10'000);
  EXPECT_LT(*port, 61'000);
}

TEST(NodeScan, FindsTheFirstLineThatIsStillThere) {
  test::TempDir dir;
  PodsimOptions options;
  options.root = dir.path();
  options.partialFraction = 0.05;
  ASSERT_TRUE(base::posixFileSystem().createDirectories(dir / "containers").ok());
  auto container =
      SimContainer::create(options, {"ns", "api-1", "uid", "app", std::string(64, 'a'), 0}, 1);
  ASSERT_TRUE(container.ok());
  std::vector<uint64_t> firstOfFile;  // of stdout
  for (const char* suffix : {"1", "2", "3"}) {
    const StreamCount& count = (*container)->count(0);
    firstOfFile.push_back(count.lines == 0 ? 0 : count.lastSequence + 1);
    ASSERT_TRUE((*container)->emit(200).ok());
    ASSERT_TRUE(rotateLog((*container)->logPath(), suffix, 5, true).ok());
    (*container)->requestReopen();
    ASSERT_TRUE((*container)->emit(0).ok());
  }
  const StreamName stream{"api-1", "app", 0, 'o'};
  const auto all = firstOnDisk(dir.path());
  ASSERT_TRUE(all.ok());
  EXPECT_EQ(all->at(stream), 0U);
  ASSERT_TRUE(base::posixFileSystem().remove((*container)->logPath() + ".1.gz").ok());
  const auto left = firstOnDisk(dir.path());
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->at(stream), firstOfFile[1]);
}

}  // namespace
}  // namespace logtail::bench
