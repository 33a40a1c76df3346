#include "common/base/units.h"

#include <gtest/gtest.h>

namespace logtail::base {
namespace {

using namespace std::chrono_literals;
using namespace literals;

TEST(Units, SizesMayBeDecimalOrBinaryOrPlainBytes) {
  EXPECT_EQ(parseBytes("5MB"), 5'000'000_B);
  EXPECT_EQ(parseBytes("5MiB"), 5_MiB);
  EXPECT_EQ(parseBytes("0"), 0_B);
  EXPECT_EQ(parseBytes("1024"), 1_KiB);
  EXPECT_EQ(parseBytes("7B"), 7_B);
  EXPECT_EQ(parseBytes("2kB"), 2_kB);
  EXPECT_EQ(parseBytes("2KB"), 2_kB);
  EXPECT_EQ(parseBytes("100GiB"), 100_GiB);
  EXPECT_EQ(parseBytes("3PiB"), Bytes{3ull << 50});
  EXPECT_EQ(parseBytes("18446744073709551615"), Bytes{UINT64_MAX});
}

TEST(Units, SizesMayHaveAFractionThatIsAWholeNumberOfBytes) {
  EXPECT_EQ(parseBytes("1.5GB"), 1'500'000'000_B);
  EXPECT_EQ(parseBytes("0.5KiB"), 512_B);
  EXPECT_EQ(parseBytes("1.5B"), std::nullopt);
  EXPECT_EQ(parseBytes("0.0001kB"), std::nullopt);
}

TEST(Units, WhatIsNoSizeIsRefused) {
  for (const char* text :
       {"", "MB", "-5MB", "+5", " 5MB", "5 MB", "5mb", "5MBit", "5.MB", ".5MB", "5MB5", "0x10",
        "1e3", "18446744073709551616", "16384PiB", "99999999999999999999999999", "1.1234567890GB",
        "99999999999999999999.5PB"}) {
    EXPECT_EQ(parseBytes(text), std::nullopt) << text;
  }
}

TEST(Units, DurationsTakeAnyUnitAndSumsOfThem) {
  EXPECT_EQ(parseDuration("0"), 0ns);
  EXPECT_EQ(parseDuration("500ms"), 500ms);
  EXPECT_EQ(parseDuration("30s"), 30s);
  EXPECT_EQ(parseDuration("2h"), 2h);
  EXPECT_EQ(parseDuration("7d"), 168h);
  EXPECT_EQ(parseDuration("1h30m"), 90min);
  EXPECT_EQ(parseDuration("1.5s"), 1500ms);
  EXPECT_EQ(parseDuration("10us"), 10us);
  EXPECT_EQ(parseDuration("9223372036854775807ns"), std::chrono::nanoseconds(INT64_MAX));
}

TEST(Units, WhatIsNoDurationIsRefused) {
  for (const char* text : {"", "30", "s", "-1s", "1 s", "1x", "1s2", "1.s", "1h,30m", "0.1ns",
                           "9223372036854775808ns", "300000d", "106751d23h47m16.854775808s"}) {
    EXPECT_EQ(parseDuration(text), std::nullopt) << text;
  }
}

TEST(Units, WhatIsWrittenReadsBackTheSame) {
  for (const uint64_t n : {0ull, 1ull, 999ull, 1000ull, 1024ull, 64000000ull, 1ull << 30, ~0ull}) {
    EXPECT_EQ(parseBytes(formatBytes({n})), Bytes{n}) << n;
  }
  for (const int64_t n : {INT64_C(0), INT64_C(1), INT64_C(90'000'000'000), INT64_MAX}) {
    const std::chrono::nanoseconds value(n);
    EXPECT_EQ(parseDuration(formatDuration(value)), value) << n;
  }
  EXPECT_EQ(formatBytes(64_MB), "64MB");
  EXPECT_EQ(formatBytes(100_GiB), "100GiB");
  EXPECT_EQ(formatBytes(1234_B), "1234");
  EXPECT_EQ(formatDuration(90s), "1m30s");
  EXPECT_EQ(formatDuration(168h), "7d");
}

}  // namespace
}  // namespace logtail::base
