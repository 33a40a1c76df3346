#include "parsers/cri.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace logtail::parsers {
namespace {

struct Row {
  const char* name;
  std::string line;
  CriResult result;
  int64_t time = 0;
  bool isStderr = false;
  bool partial = false;
  std::string message = {};
};

class Cri : public testing::TestWithParam<Row> {};

TEST_P(Cri, ParsesByPosition) {
  const Row& row = GetParam();
  // An exact-size heap copy, so that a sanitizer sees a read past the end.
  const std::vector<char> exact(row.line.begin(), row.line.end());
  CriTimeCache cache;
  CriLine line;
  for (int round = 0; round < 2; ++round) {  // with a cold and a warm minute
    ASSERT_EQ(parseCri({exact.data(), exact.size()}, cache, line), row.result);
    if (row.result == CriResult::kMalformed) continue;
    EXPECT_EQ(line.timeNanos, row.time);
    EXPECT_EQ(line.isStderr, row.isStderr);
    EXPECT_EQ(line.partial, row.partial);
    EXPECT_EQ(row.line.substr(line.messageAt), row.message);
  }
}

constexpr int64_t kNoon = 1'796'212'800'000'000'000;  // 2026-12-02T12:00:00Z
const CriResult kOk = CriResult::kOk;
const CriResult kBad = CriResult::kMalformed;

INSTANTIATE_TEST_SUITE_P(
    Lines, Cri,
    testing::Values(Row{"Usual", "2026-12-02T12:00:00.123456789Z stdout F hi", kOk,
                        kNoon + 123456789, false, false, "hi"},
                    Row{"Stderr", "2026-12-02T12:00:01.000000000Z stderr F e", kOk,
                        kNoon + 1'000'000'000, true, false, "e"},
                    Row{"Partial", "2026-12-02T12:00:00.000000001Z stdout P a b", kOk, kNoon + 1,
                        false, true, "a b"},
                    Row{"StderrPartial", "2026-12-02T12:00:00.000000001Z stderr P a", kOk,
                        kNoon + 1, true, true, "a"},
                    Row{"EmptyMessage", "2026-12-02T12:00:00.000000000Z stdout F ", kOk, kNoon,
                        false, false, ""},
                    Row{"NoSpaceAfterTag", "2026-12-02T12:00:00.000000000Z stdout F", kOk, kNoon,
                        false, false, ""},
                    Row{"TrimmedZeros", "2026-12-02T12:00:00.12Z stdout F x", kOk,
                        kNoon + 120'000'000, false, false, "x"},
                    Row{"NoFraction", "2026-12-02T12:00:00Z stdout F x", kOk, kNoon, false, false,
                        "x"},
                    Row{"East", "2026-12-02T21:00:00.5+09:00 stdout F x", kOk, kNoon + 500'000'000,
                        false, false, "x"},
                    Row{"West", "2026-12-02T04:30:00.5-07:30 stderr P x", kOk, kNoon + 500'000'000,
                        true, true, "x"},
                    Row{"MoreTags", "2026-12-02T12:00:00.000000000Z stdout F:x:y m", kOk, kNoon,
                        false, false, "m"},
                    Row{"TooManyDigits", "2026-12-02T12:00:00.1234567891Z stdout F m", kOk,
                        kNoon + 123456789, false, false, "m"},
                    Row{"LeapDay", "2024-02-29T00:00:00Z stdout F m", kOk,
                        1'709'164'800'000'000'000, false, false, "m"},
                    Row{"Epoch", "1970-01-01T00:00:00Z stdout F m", kOk, 0, false, false, "m"},
                    Row{"Empty", "", kBad}, Row{"Text", "panic: oh no", kBad},
                    Row{"LongText", std::string(100, 'x'), kBad},
                    Row{"Nul", std::string(64, '\0'), kBad},
                    Row{"NulMinute", std::string(17, '\0') + "00Z stdout F m", kBad},
                    Row{"NotALeapDay", "2026-02-29T00:00:00Z stdout F m", kBad},
                    Row{"Month13", "2026-13-02T12:00:00.000000000Z stdout F m", kBad},
                    Row{"Hour24", "2026-12-02T24:00:00.000000000Z stdout F m", kBad},
                    Row{"Before1970", "1969-12-31T23:59:59.000000000Z stdout F m", kBad},
                    Row{"BeforeEpochByZone", "1970-01-01T00:00:00+01:00 stdout F m", kBad},
                    Row{"NoDigits", "2026-12-02T12:00:00.Z stdout F m", kBad},
                    Row{"LetterInFraction", "2026-12-02T12:00:00.12345678xZ stdout F m", kBad},
                    Row{"SlashInFraction", "2026-12-02T12:00:00.1234/6789Z stdout F m", kBad},
                    Row{"ColonInFraction", "2026-12-02T12:00:00.1234:6789Z stdout F m", kBad},
                    Row{"OtherStream", "2026-12-02T12:00:00.000000000Z stdin  F m", kBad},
                    Row{"OtherTag", "2026-12-02T12:00:00.000000000Z stdout X m", kBad},
                    Row{"NoZone", "2026-12-02T12:00:00.000000000 stdout F m", kBad},
                    Row{"CutAfterTime", "2026-12-02T12:00:00.000000000Z", kBad},
                    Row{"CutInStream", "2026-12-02T12:00:00.000000000Z stdo", kBad}),
    [](const testing::TestParamInfo<Row>& row) { return std::string(row.param.name); });

TEST(CriTime, FollowsEveryMinuteOfALongSpan) {
  CriTimeCache cache;
  CriLine line;
  int64_t previous = -1;
  for (int day = 1; day <= 31; ++day) {
    for (int hour = 0; hour < 24; ++hour) {
      char text[64];
      snprintf(text, sizeof text, "2027-01-%02dT%02d:59:59.999999999Z stdout F x", day, hour);
      ASSERT_EQ(parseCri(text, cache, line), CriResult::kOk);
      if (previous >= 0) {
        ASSERT_EQ(line.timeNanos - previous, 3'600'000'000'000);
      }
      previous = line.timeNanos;
    }
  }
}

}  // namespace
}  // namespace logtail::parsers
