#include "agent/disk_budget.h"

#include <gtest/gtest.h>

#include "tests/support/crash_file_system.h"

namespace logtail::agent {
namespace {

class DiskBudgetTest : public testing::Test {
 protected:
  std::vector<uint64_t> givenUp(const std::vector<HeldGeneration>& held, DiskLimits limits) {
    DiskBudget budget(files_, "logs", "state", limits);
    std::vector<uint64_t> ids;
    for (const HeldGeneration& one : budget.decide(held)) ids.push_back(one.id);
    lost_ = budget.counts().lostBytes;
    return ids;
  }

  logtail::test::CrashFileSystem files_;
  uint64_t lost_ = 0;
};

using Ids = std::vector<uint64_t>;

// id, spooled, rotated, disk, unacknowledged
const std::vector<HeldGeneration> kHeld = {{1, false, 30, 100, 50},
                                           {2, true, 10, 100, 60},
                                           {3, false, 20, 100, 0},
                                           {4, true, 40, 100, 70}};

TEST_F(DiskBudgetTest, GivesNothingUpBelowTheLimit) {
  EXPECT_EQ(givenUp(kHeld, {400, 0}), Ids{});
}

TEST_F(DiskBudgetTest, GivesUpWhatLosesNothingBeforeWhatIsOldest) {
  EXPECT_EQ(givenUp(kHeld, {350, 0}), (Ids{3}));
  EXPECT_EQ(lost_, 0u);
}

TEST_F(DiskBudgetTest, GivesUpTheOldestAndNoMoreThanNeeded) {
  EXPECT_EQ(givenUp(kHeld, {200, 0}), (Ids{3, 2}));
  EXPECT_EQ(lost_, 60u);
  EXPECT_EQ(givenUp(kHeld, {0, 0}), (Ids{3, 2, 1, 4}));
  EXPECT_EQ(lost_, 180u);
}

TEST_F(DiskBudgetTest, KeepsTheFreeShareOfTheFileSystem) {
  files_.setCapacity(1'000'000);
  ASSERT_TRUE(files_.createDirectories("logs").ok());
  ASSERT_TRUE(files_.createDirectories("state").ok());
  auto file = files_.open("state/filler", base::OpenMode::kCreate);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->write(0, std::string(900'000, 'x')).ok());
  EXPECT_EQ(givenUp(kHeld, {1 << 30, 0}), Ids{});
  EXPECT_EQ(givenUp(kHeld, {1 << 30, 50}), (Ids{3, 2, 1, 4}));
  DiskBudget budget(files_, "logs", "state", {1 << 30, 5});
  EXPECT_TRUE(budget.mayCopy(10'000, 0));
  EXPECT_FALSE(budget.mayCopy(90'000, 0));
  EXPECT_EQ(budget.counts().refusedCopies, 1u);
}

}  // namespace
}  // namespace logtail::agent
