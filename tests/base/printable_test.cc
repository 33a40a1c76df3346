// Log text on a terminal: it shows, and does nothing else.
#include "common/base/printable.h"

#include <gtest/gtest.h>

namespace logtail::base {
namespace {

using namespace std::string_literals;

struct Row {
  const char* name;
  std::string text;
  std::string shown;
};

const Row kRows[] = {
    {"Ascii", "GET /a?b=c 200 ~", "GET /a?b=c 200 ~"},
    {"Empty", "", ""},
    {"TabsStay", "a\tb", "a\tb"},
    {"LineEnds", "a\nb\r\n", R"(a\x0ab\x0d\x0a)"},
    {"Nul", "a\0b"s, R"(a\x00b)"},
    {"BellAndBackspace", "a\a\b\x7f", R"(a\x07\x08\x7f)"},
    {"Colour", "\x1b[31mred\x1b[0m", R"(\x1b[31mred\x1b[0m)"},
    {"WindowTitle", "\x1b]0;owned\a", R"(\x1b]0;owned\x07)"},
    {"C1AsUtf8", "\xc2\x9b"s + "2J", R"(\xc2\x9b2J)"},
    {"C1AsBytes", "\x9b"s + "2J", R"(\x9b2J)"},
    {"LastC1AndFirstBehindIt", "\xc2\x9f\xc2\xa0",
     R"(\xc2\x9f)"
     "\xc2\xa0"},
    {"Latin", "caf\xc3\xa9", "caf\xc3\xa9"},
    {"Japanese", "\xe3\x83\xad\xe3\x82\xb0", "\xe3\x83\xad\xe3\x82\xb0"},
    {"FourBytes", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    {"HighestRune", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    {"BeyondTheHighest", "\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)"},
    {"FiveByteLead", "\xf8\x88\x80\x80\x80", R"(\xf8\x88\x80\x80\x80)"},
    {"RightToLeftOverride",
     "a\xe2\x80\xae"
     "b",
     R"(a\xe2\x80\xaeb)"},
    {"Isolates", "\xe2\x81\xa6\xe2\x81\xa9", R"(\xe2\x81\xa6\xe2\x81\xa9)"},
    {"Marks", "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", R"(\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c)"},
    {"LineSeparator", "\xe2\x80\xa8\xe2\x80\xa9", R"(\xe2\x80\xa8\xe2\x80\xa9)"},
    {"ByteOrderMark",
     "\xef\xbb\xbf"
     "a",
     R"(\xef\xbb\xbfa)"},
    {"OverlongSlash", "\xc0\xaf", R"(\xc0\xaf)"},
    {"OverlongEscapeOfThree", "\xe0\x80\x9b", R"(\xe0\x80\x9b)"},
    {"OverlongOfFour", "\xf0\x80\x80\x9b", R"(\xf0\x80\x80\x9b)"},
    {"Surrogate", "\xed\xa0\x80", R"(\xed\xa0\x80)"},
    {"CutOff", "a\xe3\x83", R"(a\xe3\x83)"},
    {"CutOffByAnEscape", "\xe3\x1b[0m", R"(\xe3\x1b[0m)"},
    {"LoneContinuation", "\x80\xbf", R"(\x80\xbf)"},
    {"HighBytes", "\xfe\xff", R"(\xfe\xff)"},
};

class Printable : public testing::TestWithParam<Row> {};

TEST_P(Printable, ShowsTextAndDoesNothingElse) {
  std::string shown = "before ";
  appendPrintable(GetParam().text, shown);
  EXPECT_EQ(shown, "before " + GetParam().shown);
}

INSTANTIATE_TEST_SUITE_P(Rows, Printable, testing::ValuesIn(kRows),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace logtail::base
