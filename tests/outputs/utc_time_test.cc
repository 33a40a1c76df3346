#include "outputs/utc_time.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>
#include <string>

namespace logtail::outputs {
namespace {

std::string ours(int64_t second) {
  char text[kSecondChars];
  storeSecond(second, text);
  return {text, sizeof text};
}

std::string theirs(int64_t second) {
  const time_t at = second;
  std::tm utc{};
  gmtime_r(&at, &utc);
  char text[64];
  // %Y knows no leading zeros.
  const int n = snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", utc.tm_year + 1900,
                         utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  return {text, static_cast<size_t>(n)};
}

// Every day of the years 1 to 9999, at a different second of each: far more than int64 nanoseconds
// reach.
TEST(UtcTime, IsWhatTheLibrarySaysForEveryDay) {
  constexpr int64_t kFirst = -719'162;  // 0001-01-01
  constexpr int64_t kLast = 2'932'896;  // 9999-12-31
  for (int64_t day = kFirst; day <= kLast; ++day) {
    const int64_t second = day * kSecondsPerDay + (day * 7919 % 86'400 + 86'400) % 86'400;
    if (ours(second) != theirs(second)) FAIL() << day << ": " << ours(second) << theirs(second);
  }
  EXPECT_EQ(ours(kFirst * kSecondsPerDay), "0001-01-01T00:00:00");
}

TEST(UtcTime, IsWhatTheLibrarySaysForEverySecondOfADay) {
  for (const int64_t day : {int64_t{0}, int64_t{-1}, int64_t{19'782}}) {
    for (int64_t second = 0; second < kSecondsPerDay; ++second) {
      const int64_t at = day * kSecondsPerDay + second;
      if (ours(at) != theirs(at)) FAIL() << ours(at) << " is " << theirs(at);
    }
  }
}

TEST(UtcTime, WritesNineDigitsOfNanoseconds) {
  std::mt19937_64 random(3);
  const auto check = [](uint32_t nanos) {
    char text[10] = {};
    storeNanos(nanos, text);
    char wanted[16];
    snprintf(wanted, sizeof wanted, "%09u", nanos);
    EXPECT_STREQ(text, wanted);
  };
  for (uint32_t power = 1; power < 1'000'000'000; power *= 10) {
    check(power - 1);
    check(power);
  }
  check(999'999'999);
  for (int i = 0; i < 1000; ++i) check(static_cast<uint32_t>(random() % 1'000'000'000));
}

TEST(UtcTime, DividesDownwards) {
  EXPECT_EQ(floorDivide(7, 3), 2);
  EXPECT_EQ(floorDivide(-7, 3), -3);
  EXPECT_EQ(floorDivide(-6, 3), -2);
  EXPECT_EQ(floorDivide(INT64_MIN, kNanosPerSecond), -9'223'372'037);
}

}  // namespace
}  // namespace logtail::outputs
