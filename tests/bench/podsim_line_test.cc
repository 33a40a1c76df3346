#include <gtest/gtest.h>

#include "bench/podsim/line.h"

namespace logtail::bench {
namespace {

constexpr LineId kId{"api-x7d-2bc", "app", 3, 'e', 41, 1700000000123456789};

std::string line(LineShape shape, uint64_t bytes) {
  std::string out;
  appendLine(out, shape, kId, bytes, 12345);
  return out;
}

class EachShape : public ::testing::TestWithParam<LineShape> {};

TEST_P(EachShape, ReadsBackWhatItWrote) {
  for (const uint64_t bytes : {0, 150, 151, 400, 70'000, 1'000'000}) {
    const std::string text = line(GetParam(), bytes);
    LineId id;
    ASSERT_EQ(checkLine(text, id), LineCheck::kWhole) << text.substr(0, 300);
    EXPECT_EQ(id.pod, kId.pod);
    EXPECT_EQ(id.container, kId.container);
    EXPECT_EQ(id.restart, kId.restart);
    EXPECT_EQ(id.channel, kId.channel);
    EXPECT_EQ(id.sequence, kId.sequence);
    EXPECT_EQ(id.timeNanos, kId.timeNanos);
    EXPECT_GE(text.size() + 4, bytes);
    if (bytes > 300) {
      EXPECT_LE(text.size(), bytes);
    }
  }
}

TEST_P(EachShape, NoticesEveryFlippedByteAndEveryCut) {
  const std::string text = line(GetParam(), 200);
  LineId id;
  for (size_t at = 0; at < text.size(); ++at) {
    std::string flipped = text;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    EXPECT_NE(checkLine(flipped, id), LineCheck::kWhole) << at;
    EXPECT_NE(checkLine(text.substr(0, at), id), LineCheck::kWhole) << at;
    EXPECT_NE(checkLine(text.substr(at + 1), id), LineCheck::kWhole) << at;
  }
}

std::string shapeName(const ::testing::TestParamInfo<LineShape>& shape) {
  constexpr const char* kNames[] = {"Text", "Json", "Frame"};
  return kNames[static_cast<size_t>(shape.param)];
}

INSTANTIATE_TEST_SUITE_P(Lines, EachShape,
                         ::testing::Values(LineShape::kText, LineShape::kJson, LineShape::kFrame),
                         shapeName);

TEST(SimLine, TellsTornOnesOfOursFromForeignOnes) {
  LineId id;
  EXPECT_EQ(checkLine(line(LineShape::kText, 200) + "x", id), LineCheck::kTorn);
  EXPECT_EQ(id.sequence, 41U);
  EXPECT_EQ(checkLine("somebody else's line", id), LineCheck::kForeign);
  EXPECT_EQ(checkLine("", id), LineCheck::kForeign);
}

}  // namespace
}  // namespace logtail::bench
