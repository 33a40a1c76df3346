#include "agent/rotation_rate.h"

#include <gtest/gtest.h>

#include <vector>

namespace logtail::agent {
namespace {

using namespace std::chrono_literals;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kNow = 1'800'000'000 * kSecond;

ListedLogFile rotated(const char* timestamp, int64_t secondsAgo) {
  ListedLogFile file;
  file.kind = LogFileKind::kRotated;
  file.timestamp = timestamp;
  file.modifiedNanos = kNow - secondsAgo * kSecond;
  return file;
}

std::optional<base::Nanos> untilDeleted(const std::vector<ListedLogFile>& files, uint32_t newer) {
  RotationRate rate;
  rate.note(files);
  return rate.untilDeleted(newer, 4, kNow);
}

TEST(RotationRate, IsNotKnownBeforeASecondRotation) {
  EXPECT_EQ(untilDeleted({}, 0), std::nullopt);
  EXPECT_EQ(untilDeleted({rotated("20261202-120000", 10)}, 0), std::nullopt);
}

TEST(RotationRate, CountsTheRotationsThatAFileHasLeft) {
  const std::vector<ListedLogFile> files = {rotated("20261202-115000", 0),
                                            rotated("20261202-120000", 60)};
  EXPECT_EQ(untilDeleted(files, 0), 4 * 600s - 60s);
  EXPECT_EQ(untilDeleted(files, 1), 3 * 600s - 60s);
  EXPECT_EQ(untilDeleted(files, 3), 600s - 60s);
  EXPECT_EQ(untilDeleted(files, 9), 600s - 60s) << "it is there still: the next rotation at last";
}

TEST(RotationRate, TakesTheTimesOfNamesAcrossDaysAndOfFilesWhoseNamesHaveNone) {
  EXPECT_EQ(untilDeleted({rotated("20261231-235900", 0), rotated("20270101-000100", 0)}, 3), 120s);
  EXPECT_EQ(untilDeleted({rotated("2", 500), rotated("1", 200)}, 3), 300s - 200s);
  EXPECT_EQ(untilDeleted({rotated("20269931-235900", 30), rotated("20269901-000100", 10)}, 3),
            20s - 10s);
}

TEST(RotationRate, SlowsDownWhenTheNextRotationIsLate) {
  const std::vector<ListedLogFile> files = {rotated("20261202-115000", 0),
                                            rotated("20261202-120000", 1000)};
  EXPECT_EQ(untilDeleted(files, 3), 0s) << "any moment now";
  EXPECT_EQ(untilDeleted(files, 2), 2 * 1000s - 1000s);
}

TEST(RotationRate, RemembersTheRotationBeforeWhenOneFileIsKept) {
  RotationRate rate;
  for (const char* name : {"20261202-115000", "20261202-115500", "20261202-115500"}) {
    const std::vector<ListedLogFile> files = {rotated(name, 60)};
    rate.note(files);
  }
  EXPECT_EQ(rate.untilDeleted(0, 1, kNow), 300s - 60s);
  rate.note({});
  EXPECT_EQ(rate.untilDeleted(0, 1, kNow), 300s - 60s);
}

TEST(RotationRate, StandsTimesThatMakeNoSense) {
  EXPECT_EQ(untilDeleted({rotated("1", 10), rotated("0", 10)}, 0), std::nullopt) << "equal";
  EXPECT_EQ(untilDeleted({rotated("20261202-115000", 0), rotated("20261202-120000", -50)}, 3), 600s)
      << "from the future";
  EXPECT_EQ(untilDeleted({rotated("99990101-000001", 30), rotated("99991231-235959", 10)}, 3), 10s);
  EXPECT_GT(untilDeleted({rotated("19700101-000001", 0), rotated("21991231-235959", 0)}, 0), 0s);
}

}  // namespace
}  // namespace logtail::agent
