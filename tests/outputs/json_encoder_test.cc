// Whatever a record holds, its line is JSON, and the message comes back.

#include "outputs/json_encoder.h"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <random>

#include "tests/outputs/test_batch.h"

namespace logtail::outputs {
namespace {

using namespace std::string_literals;

constexpr int64_t kTime = 1'700'000'000'000'000'042;
const event::StreamKey kKey{{1, 2}};

std::string lineOf(const event::Record& record, const std::string& suffix,
                   uint32_t blockFlags = 0) {
  JsonEncoder encoder;
  std::string out(JsonEncoder::maxLine(record, suffix), '\0');
  const char* end = encoder.store(kKey, blockFlags, record, suffix, out.data());
  EXPECT_LE(static_cast<size_t>(end - out.data()), out.size());
  out.resize(static_cast<size_t>(end - out.data()));
  return out;
}

std::string lineOf(const std::string& message) {
  event::Record record{kTime, 7, {3, 1}, 0, message};
  return lineOf(record, renderSuffix(*testStream("web"), true));
}

rapidjson::Document parsed(const std::string& line) {
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(line.data(), line.size());
  EXPECT_FALSE(document.HasParseError()) << line;
  EXPECT_TRUE(line.ends_with('\n') && line.find('\n') == line.size() - 1) << line;
  return document;
}

std::string text(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

// The decoder of the Encoding Standard (whatwg), section 8.1.1: one U+FFFD for each error it emits.
std::string repaired(const std::string& bytes) {
  std::string out;
  std::string sequence;
  unsigned needed = 0;
  unsigned low = 0x80;
  unsigned high = 0xbf;
  for (size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (needed > 0 && (byte < low || byte > high)) {
      out += "\ufffd";
      needed = 0;
    }
    if (needed > 0) {
      sequence += bytes[i];
      low = 0x80;
      high = 0xbf;
      if (--needed == 0) out += sequence;
      continue;
    }
    low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    sequence = bytes[i];
    if (byte < 0x80) {
      out += bytes[i];
    } else if (byte >= 0xc2 && byte <= 0xf4) {
      needed = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
    } else {
      out += "\ufffd";
    }
  }
  return needed > 0 ? out + "\ufffd" : out;
}

struct MessageRow {
  const char* name;
  std::string message;
  std::string wanted;
};

const MessageRow kMessages[] = {
    {"Empty", "", ""},
    {"Plain", "GET /index.html 200", "GET /index.html 200"},
    {"Quotes", "say \"hi\"", "say \"hi\""},
    {"Backslashes", "C:\\temp\\\\", "C:\\temp\\\\"},
    {"Slash", "a/b", "a/b"},
    {"Nul", "a\0b\0"s, "a\0b\0"s},
    {"ShortControls", "\b\t\n\f\r", "\b\t\n\f\r"},
    {"OtherControls", "\x01\x02\x0b\x0e\x1b\x1f", "\x01\x02\x0b\x0e\x1b\x1f"},
    {"Delete", "\x7f", "\x7f"},
    {"TwoBytes", "\u00e9\u07ff\u0080", "\u00e9\u07ff\u0080"},
    {"ThreeBytes", "\u20ac\u0800\uffff", "\u20ac\u0800\uffff"},
    {"FourBytes", "\U0001f600\U00010000\U0010ffff", "\U0001f600\U00010000\U0010ffff"},
    {"LineSeparators", "a\u2028b\u2029c", "a\u2028b\u2029c"},
    {"ByteOrderMark", "\ufeffa", "\ufeffa"},
    {"LoneContinuation", "a\x80\xbf", "a\ufffd\ufffd"},
    {"Overlong", "\xc0\xaf\xe0\x80\xaf", "\ufffd\ufffd\ufffd\ufffd\ufffd"},
    {"Surrogate", "\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
    {"BeyondUnicode", "\xf4\x90\x80\x80\xf5", "\ufffd\ufffd\ufffd\ufffd\ufffd"},
    {"CutTwo", "\xc3", "\ufffd"},
    {"CutThree", "\xe2\x82", "\ufffd"},
    {"CutFour", "\xf0\x9f\x98", "\ufffd"},
    {"CutInTheMiddle", "\xf0\x9f\x98z\xe2\x82z\xe2z", "\ufffdz\ufffdz\ufffdz"},
    {"UnicodeTable38", "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\ufffd\ufffd\ufffd\ufffd\x41"},
    {"Latin1", "caf\xe9 cr\xe8me", "caf\ufffd cr\ufffdme"},
    {"NeverInUtf8", "\xfe\xff", "\ufffd\ufffd"},
};

class JsonMessage : public testing::TestWithParam<MessageRow> {};

// At every place within the vector steps, alone and between other bytes.
TEST_P(JsonMessage, ComesBackWithInvalidBytesReplaced) {
  EXPECT_EQ(repaired(GetParam().message), GetParam().wanted) << "the test's own decoder";
  for (size_t before = 0; before < 34; ++before) {
    for (const size_t after : {0, 1, 15, 16, 40}) {
      const std::string head(before, 'h');
      const std::string tail(after, 't');
      const auto document = parsed(lineOf(head + GetParam().message + tail));
      ASSERT_EQ(text(document["log"]), head + GetParam().wanted + tail) << before << " " << after;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Each, JsonMessage, testing::ValuesIn(kMessages),
                         [](const auto& row) { return row.param.name; });

TEST(JsonEscape, ComesBackWhateverTheBytesAre) {
  std::mt19937_64 random(11);
  constexpr char kLikely[] = "\x80\xbf\xc2\xe0\xe2\xed\xf0\xf4\x90\x9f\"\\\n a";
  for (int i = 0; i < 20'000; ++i) {
    std::string message;
    for (size_t left = random() % 50; left > 0; --left) {
      message += random() % 3 == 0 ? static_cast<char>(random())
                                   : kLikely[random() % (sizeof kLikely - 1)];
    }
    ASSERT_EQ(text(parsed(lineOf(message))["log"]), repaired(message)) << i;
  }
}

TEST(JsonEscape, KeepsWithinTheRoomItAsksFor) {
  for (size_t size = 0; size < 70; ++size) {
    const std::string worst(size, '\x01');
    std::string out(maxEscaped(size) + 1, 'x');
    const char* end = storeEscaped(worst, out.data());
    EXPECT_EQ(static_cast<size_t>(end - out.data()), 6 * size);
    EXPECT_EQ(out.back(), 'x') << size;
  }
}

TEST(JsonEncoder, HoldsTheFieldsOfTheSchema) {
  event::StreamDescription stream = *testStream("web", "shop", 4);
  stream.image = "web:1";
  stream.labels = {{"app", "web"}, {"app.kubernetes.io/name", "w\"1"}};
  stream.annotations = {{"note", "n"}};
  const event::Record record{kTime, 7, {3, 1}, event::kRecordStderr, "hi"};
  const std::string line = lineOf(record, renderSuffix(stream, true));
  EXPECT_EQ(line,
            "{\"time\":\"2023-11-14T22:13:20.000000042Z\",\"stream\":\"stderr\","
            "\"log\":\"hi\",\"logtail_id\":\"" +
                event::recordId(kKey, {3, 1}, 7) +
                "\",\"kubernetes\":{\"namespace_name\":\"shop\",\"pod_name\":\"web\","
                "\"pod_id\":\"uid-web\",\"container_name\":\"app\","
                "\"docker_id\":\"0123456789abcdef\",\"host\":\"node-1\","
                "\"container_image\":\"web:1\",\"restart_count\":4,"
                "\"labels\":{\"app\":\"web\",\"app_kubernetes_io/name\":\"w\\\"1\"},"
                "\"annotations\":{\"note\":\"n\"}}}\n");
  parsed(line);
}

struct FlagRow {
  const char* name;
  uint8_t flags;
  uint32_t blockFlags;
  std::vector<std::string> wanted;
};

const FlagRow kFlags[] = {
    {"None", 0, 0, {}},
    {"StderrIsNoFlag", event::kRecordStderr | event::kRecordForeign, 0, {}},
    {"Truncated", event::kRecordTruncated, 0, {"truncated"}},
    {"Incomplete", event::kRecordIncomplete, 0, {"incomplete"}},
    {"Malformed", event::kRecordMalformed, 0, {"malformed"}},
    {"InDoubt", 0, event::kBlockInDoubt, {"in_doubt"}},
    {"Late", 0, event::kBlockLate, {"late"}},
    {"All",
     event::kRecordTruncated | event::kRecordIncomplete | event::kRecordMalformed,
     event::kBlockInDoubt | event::kBlockLate,
     {"truncated", "incomplete", "malformed", "in_doubt", "late"}},
};

class JsonFlags : public testing::TestWithParam<FlagRow> {};

TEST_P(JsonFlags, AreNamed) {
  const event::Record record{kTime, 7, {3, 1}, GetParam().flags, "hi"};
  const auto document =
      parsed(lineOf(record, renderSuffix(*testStream("web"), true), GetParam().blockFlags));
  std::vector<std::string> found;
  if (document.HasMember("logtail_flags")) {
    for (const auto& flag : document["logtail_flags"].GetArray()) found.push_back(text(flag));
    EXPECT_FALSE(found.empty());
  }
  EXPECT_EQ(found, GetParam().wanted);
}

INSTANTIATE_TEST_SUITE_P(Each, JsonFlags, testing::ValuesIn(kFlags),
                         [](const auto& row) { return row.param.name; });

TEST(JsonEncoder, DedotGivesNoKeyTwice) {
  event::StreamDescription stream = *testStream("web");
  stream.labels = {{"a.b", "1"}, {"a.b", "again"}, {"a_b", "2"}, {"c.d", "3"}, {"e.f.g", "4"}};
  const auto with = parsed("{" + renderSuffix(stream, true).substr(1));
  const auto& labels = with["kubernetes"]["labels"];
  EXPECT_EQ(labels.MemberCount(), 4u);
  EXPECT_EQ(text(labels["a.b"]), "1");
  EXPECT_EQ(text(labels["a_b"]), "2");
  EXPECT_EQ(text(labels["c_d"]), "3");
  EXPECT_EQ(text(labels["e_f_g"]), "4");
  const auto without = parsed("{" + renderSuffix(stream, false).substr(1));
  EXPECT_EQ(text(without["kubernetes"]["labels"]["c.d"]), "3");
}

TEST(JsonEncoder, EscapesWhatDescribesTheStream) {
  event::StreamDescription stream = *testStream("p\"\xff\n");
  stream.labels = {{"k\\\x80", "v\x01"}};
  const auto document = parsed("{" + renderSuffix(stream, true).substr(1));
  EXPECT_EQ(text(document["kubernetes"]["pod_name"]), "p\"\ufffd\n");
  EXPECT_EQ(text(document["kubernetes"]["labels"]["k\\\ufffd"]), "v\x01");
}

TEST(JsonEncoder, GivesTheTimeOfEachRecordWhateverCameBefore) {
  JsonEncoder encoder;
  const std::string suffix = renderSuffix(*testStream("web"), true);
  const auto timeOf = [&](int64_t nanos) {
    const event::Record record{nanos, 7, {3, 1}, 0, "hi"};
    std::string out(JsonEncoder::maxLine(record, suffix), '\0');
    encoder.store(kKey, 0, record, suffix, out.data());
    return out.substr(9, 30);
  };
  EXPECT_EQ(timeOf(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(timeOf(999'999'999), "1970-01-01T00:00:00.999999999Z");
  EXPECT_EQ(timeOf(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(timeOf(INT64_MIN), "1677-09-21T00:12:43.145224192Z");
  EXPECT_EQ(timeOf(INT64_MAX), "2262-04-11T23:47:16.854775807Z");
  EXPECT_EQ(timeOf(1), "1970-01-01T00:00:00.000000001Z");
}

}  // namespace
}  // namespace logtail::outputs
