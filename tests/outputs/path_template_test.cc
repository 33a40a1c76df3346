// Values are hostile: no path leaves the base directory, and different ones never meet.

#include "outputs/path_template.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "outputs/manifest_format.h"
#include "tests/outputs/test_batch.h"

namespace logtail::outputs {
namespace {

using namespace std::string_literals;

constexpr int64_t kHourNanos = 3'600'000'000'000;
constexpr int64_t kTime = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z

PathTemplate made(const std::string& text) {
  auto path = PathTemplate::parse(text);
  EXPECT_TRUE(path.ok()) << text;
  return std::move(path).value();
}

std::string rendered(const std::string& text, const event::StreamDescription& stream,
                     int64_t timeNanos = kTime) {
  return made(text).render(stream, timeNanos);
}

struct ValueRow {
  const char* name;
  std::string value;
  std::string wanted;
};

const ValueRow kValues[] = {
    {"Plain", "web-7f.x", "web-7f.x"}, {"Empty", "", "_"},
    {"Underscore", "_", "%5F"},        {"Dot", ".", "%2E"},
    {"DotDot", "..", "%2E."},          {"Hidden", ".bashrc", "%2Ebashrc"},
    {"Slash", "a/b", "a%2Fb"},         {"Up", "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd"},
    {"Nul", "a\0b"s, "a%00b"},         {"Newline", "a\nb", "a%0Ab"},
    {"Percent", "%2F", "%252F"},       {"Tilde", "~root", "%7Eroot"},
    {"NotUtf8", "\xff\xc3", "%FF%C3"}, {"Space", "a b", "a%20b"},
};

class PathValue : public testing::TestWithParam<ValueRow> {};

TEST_P(PathValue, StaysOneComponent) {
  EXPECT_EQ(pathValue(GetParam().value), GetParam().wanted);
  auto stream = *testStream(GetParam().value);
  EXPECT_EQ(rendered("logs/{pod}", stream), "logs/" + GetParam().wanted);
}

INSTANTIATE_TEST_SUITE_P(Each, PathValue, testing::ValuesIn(kValues),
                         [](const auto& row) { return row.param.name; });

TEST(PathTemplate, KnowsEveryField) {
  auto stream = *testStream("web", "shop", 3);
  EXPECT_EQ(
      rendered("{cluster}/{node}/{namespace}/{pod}_{pod_uid}_{container}_{restart}.log", stream),
      "c/node-1/shop/web_uid-web_app_3.log");
  EXPECT_EQ(rendered("{date}/{hour}.log", stream), "2023-11-14/22.log");
  EXPECT_EQ(rendered("{date}T{hour}", stream, -1), "1969-12-31T23");
  EXPECT_EQ(rendered("all.log", stream), "all.log");
}

struct RefusedRow {
  const char* name;
  std::string text;
  const char* says;
};

const RefusedRow kRefused[] = {
    {"Empty", "", "1 to 1024 bytes"},
    {"TooLong", std::string(1025, 'a'), "1 to 1024 bytes"},
    {"UnknownField", "{pods}.log", "{pods}"},
    {"EmptyField", "{}.log", "{namespace}"},
    {"NeverClosed", "{pod", "every {"},
    {"NeverOpened", "pod}", "every {"},
    {"Nested", "{{pod}}", "{{pod}"},
    {"Absolute", "/{pod}.log", "no / at its ends"},
    {"EndsWithSlash", "{pod}/", "no / at its ends"},
    {"TwoSlashes", "a//{pod}", "no //"},
    {"DotDot", "../{pod}", "no component . or .."},
    {"DotDotInside", "a/../{pod}", "no component . or .."},
    {"Dot", "./{pod}", "no component . or .."},
    {"Tilde", "~{pod}", "without ~"},
    {"Nul", "a\0{pod}"s, "printable ASCII"},
    {"NotAscii", "\u00e9/{pod}", "printable ASCII"},
    {"LongComponent", std::string(201, 'a'), "at most 200 bytes"},
    {"DeepPath", "a/b/c/d/e/f/g/h/i/j/k/l/m", "at most 12"},
};

class PathTemplateRefused : public testing::TestWithParam<RefusedRow> {};

TEST_P(PathTemplateRefused, SaysWhatIsWrong) {
  const auto path = PathTemplate::parse(GetParam().text);
  ASSERT_FALSE(path.ok());
  EXPECT_EQ(path.code(), base::Errc::kFixInput);
  EXPECT_NE(path.message().find(GetParam().says), std::string::npos) << path.message();
}

INSTANTIATE_TEST_SUITE_P(Each, PathTemplateRefused, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST(PathTemplate, CutsLongComponentsAndKeepsThemApart) {
  std::set<std::string> seen;
  for (const char last : {'x', 'y'}) {
    for (const size_t size : {200, 201, 300, 5000}) {
      auto stream = *testStream(std::string(size - 1, 'p') + last);
      const std::string path = rendered("{namespace}/{pod}.log.zst", stream);
      EXPECT_TRUE(path.starts_with("shop/ppp") && path.ends_with(".zst")) << path;
      EXPECT_LE(path.size(), 5 + PathTemplate::kMaxComponent);
      EXPECT_LE(filePath(path, UINT32_MAX).size(), 5u + 255u);
      EXPECT_TRUE(seen.insert(path).second) << path;
    }
  }
}

// Pods, containers and restarts from few hostile pieces, and rotations of each.
TEST(PathTemplate, NeverGivesTwoTargetsOneFile) {
  const std::vector<std::string> values = {"",  "_", "a", "a_1", "1", "a.log", "a_",  "_1",
                                           ".", "%", "~", "a-",  "-", "1.log", ".log"};
  for (const char* text : {"{pod}_{container}.log", "{pod}_{container}", "{container}/{pod}.log",
                           "{pod}_{container}_{restart}.log", "x_{pod}_{container}.log.zst"}) {
    const PathTemplate path = made(text);
    const bool restarts = std::string(text).find("restart") != std::string::npos;
    std::map<std::string, std::string> owner;
    for (const std::string& pod : values) {
      for (const std::string& container : values) {
        for (uint32_t restart = 0; restart < (restarts ? 3u : 1u); ++restart) {
          event::StreamDescription stream;
          stream.pod = pod;
          stream.container = container;
          stream.restart = restart;
          const std::string target = path.render(stream, kTime);
          for (uint32_t number = 0; number < 3; ++number) {
            const auto [at, fresh] = owner.emplace(filePath(target, number), target);
            EXPECT_TRUE(fresh) << text << ": " << at->first << " of " << at->second << " and "
                               << target;
          }
        }
      }
    }
  }
}

TEST(PathTemplate, SaysForWhichTimesAPathHolds) {
  auto stream = *testStream("web");
  for (const char* text : {"{date}.log", "{date}/{hour}.log", "{hour}.log", "{pod}.log"}) {
    const PathTemplate path = made(text);
    for (const int64_t time : {kTime, int64_t{0}, int64_t{-1}, -5 * kHourNanos, INT64_MAX,
                               INT64_MIN, kTime - kTime % kHourNanos}) {
      const auto span = path.spanAround(time);
      EXPECT_TRUE(span.from <= time && (time < span.to || span.to == INT64_MAX)) << text << time;
      const std::string there = path.render(stream, time);
      EXPECT_EQ(path.render(stream, span.from), there) << text << time;
      EXPECT_EQ(path.render(stream, span.to == INT64_MAX ? span.to : span.to - 1), there);
      if (span.from != INT64_MIN) {
        EXPECT_NE(path.render(stream, span.from - 1), there) << text;
      }
      if (span.to != INT64_MAX) {
        EXPECT_NE(path.render(stream, span.to), there) << text;
      }
    }
  }
}

struct RotationRow {
  const char* target;
  const char* wanted;
};

TEST(FilePath, PutsTheNumberBeforeTheExtension) {
  for (const RotationRow& row : {RotationRow{"ns/pod.log", "ns/pod_2.log"},
                                 {"ns/pod.log.zst", "ns/pod_2.log.zst"},
                                 {"ns/pod", "ns/pod_2"},
                                 {"n.s/pod", "n.s/pod_2"},
                                 {"ns/pod.zst", "ns/pod_2.zst"},
                                 {".log", ".log_2"},
                                 {"a/.log", "a/.log_2"}}) {
    EXPECT_EQ(filePath(row.target, 0), row.target);
    EXPECT_EQ(filePath(row.target, 2), row.wanted);
  }
}

}  // namespace
}  // namespace logtail::outputs
