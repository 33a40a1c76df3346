#include "common/config/config.h"

#include <gtest/gtest.h>

#include "tests/config/sample.h"

namespace logtail::config {
namespace {

using namespace std::chrono_literals;
using namespace base::literals;
using sample::Sample;

std::optional<std::string> fakeEnvironment(const std::string& name) {
  if (name == "HOST") return "agg";
  if (name == "EMPTY") return "";
  if (name == "TRICK") return "a: b\n- ${HOST}";
  return std::nullopt;
}

base::Result<Sample> parseSample(const std::string& yaml) {
  return parse(sample::sampleTable(), yaml, "a.yaml", fakeEnvironment);
}

Sample good(const std::string& yaml) {
  auto config = parseSample(yaml);
  EXPECT_TRUE(config.ok()) << config.message();
  return config.ok() ? *config : Sample();
}

TEST(Config, WhatIsNotGivenHasTheDefaultOfTheStruct) {
  const Sample config = good("cluster: c");
  EXPECT_EQ(config.cluster, "c");
  EXPECT_EQ(config.memory, 64_MB);
  EXPECT_EQ(config.flush, 500ms);
  EXPECT_EQ(config.aggregators, std::vector<std::string>{"localhost:24300"});
  EXPECT_EQ(config.zone, std::nullopt);
  EXPECT_EQ(config.tls.reload, 60s);
}

TEST(Config, EveryKindOfFieldIsRead) {
  const Sample config = good(R"(
cluster: "prod"
memory: 128MiB
flush: 2s
start: head
port: 1
offset: -5
ratio: 0.25
insecure: true
zone: a
password: hunter2
aggregators: [x:1, y:2]
labels: {team: shop, tier: "1"}
tls:
  reload: 5s
rules:
  - match: foo
  - {match: bar, drop: true}
peers:
  one: {dir: /a}
  two: {}
outputs:
  file: {path: /x, rotate: 5MB, retries: 7}
  live: {type: stdout}
)");
  EXPECT_EQ(config.memory, 128_MiB);
  EXPECT_EQ(config.flush, 2s);
  EXPECT_EQ(config.start, sample::Start::kHead);
  EXPECT_EQ(config.port, 1);
  EXPECT_EQ(config.offset, -5);
  EXPECT_EQ(config.ratio, 0.25);
  EXPECT_TRUE(config.insecure);
  EXPECT_EQ(config.zone, "a");
  EXPECT_EQ(config.aggregators, (std::vector<std::string>{"x:1", "y:2"}));
  EXPECT_EQ(config.labels, (std::map<std::string, std::string>{{"team", "shop"}, {"tier", "1"}}));
  EXPECT_EQ(config.tls.reload, 5s);
  ASSERT_EQ(config.rules.size(), 2u);
  EXPECT_FALSE(config.rules[0].drop);
  EXPECT_TRUE(config.rules[1].drop);
  EXPECT_EQ(config.peers.at("one").dir, "/a");
  EXPECT_EQ(config.peers.at("two").reload, 60s);
}

TEST(Config, AnOutputsTypeIsItsIdUnlessGivenAndPicksItsTable) {
  const Sample config = good(
      "cluster: c\noutputs: {live: {type: stdout}, file: {path: /x, rotate: 5MB, retries: 7}}");
  ASSERT_EQ(config.outputs.size(), 2u);
  EXPECT_EQ(config.outputs[0].id, "live");
  EXPECT_EQ(config.outputs[0].type, "stdout");
  EXPECT_NE(dynamic_cast<const sample::StdoutOutput*>(config.outputs[0].settings.get()), nullptr);
  const auto* file = dynamic_cast<const sample::FileOutput*>(config.outputs[1].settings.get());
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(file->path, "/x");
  EXPECT_EQ(file->rotate, 5_MB);
  EXPECT_EQ(file->retries, 7u);
}

TEST(Config, EnvironmentVariablesAreReplacedInScalarsOnceAndCannotBringInStructure) {
  EXPECT_EQ(good("cluster: x-${HOST}-${HOST}").cluster, "x-agg-agg");
  EXPECT_EQ(good("cluster: ${MISSING:-fallback}").cluster, "fallback");
  EXPECT_EQ(good("cluster: ${EMPTY:-fallback}").cluster, "fallback");
  EXPECT_EQ(good("cluster: a${MISSING:-}").cluster, "a");
  EXPECT_EQ(good("cluster: ${TRICK}").cluster, "a: b\n- ${HOST}");
  EXPECT_EQ(good("cluster: $${HOST}$5").cluster, "${HOST}$5");
  EXPECT_EQ(good("cluster: a\nmemory: ${SIZE:-32MB}").memory, 32_MB);
}

struct Wrong {
  const char* name;
  const char* yaml;
  const char* message;
};
void PrintTo(const Wrong& row, std::ostream* out) {
  *out << row.name;
}

class ConfigErrors : public testing::TestWithParam<Wrong> {};

TEST_P(ConfigErrors, NameFileLinePathValueAndRange) {
  const auto config = parseSample(GetParam().yaml);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.code(), base::Errc::kFixInput);
  EXPECT_EQ(config.message(), GetParam().message);
}

const Wrong kWrong[] = {
    {"UnknownKey", "cluster: c\nmemroy: 5MB",
     "a.yaml:2: memroy: value \"5MB\": expected a key that is one of cluster, memory, flush, "
     "start, "
     "port, offset, ratio, insecure, zone, password, aggregators, labels, tls, rules, peers, "
     "outputs (did you mean \"memory\"?)"},
    {"UnknownNestedKey", "cluster: c\ntls:\n  folder: /x",
     "a.yaml:3: tls.folder: value \"/x\": expected a key that is one of dir, reload"},
    {"MissingKey", "memory: 64MB",
     "a.yaml:1: cluster: value \"\": expected a string with a length from 1 to 20 bytes; it must "
     "be "
     "given"},
    {"EmptyFile", "",
     "a.yaml:1: cluster: value \"\": expected a string with a length from 1 to 20 bytes; it must "
     "be "
     "given"},
    {"SizeOutOfRange", "cluster: c\nmemory: 5MB",
     "a.yaml:2: memory: value \"5MB\": expected a size such as 5MB, 5MiB from 16MB to 4GiB"},
    {"NoSize", "cluster: c\nmemory: lots",
     "a.yaml:2: memory: value \"lots\": expected a size such as 5MB, 5MiB from 16MB to 4GiB"},
    {"DurationWithoutUnit", "cluster: c\nflush: 30",
     "a.yaml:2: flush: value \"30\": expected a duration such as 30s, 500ms from 1ms to 10s"},
    {"DurationFinerThanItsField", "cluster: c\ntls: {reload: 1500ms}",
     "a.yaml:2: tls.reload: value \"1500ms\": expected a duration such as 30s, 500ms from 1s to "
     "1d"},
    {"IntegerTooLarge", "cluster: c\nport: 65536",
     "a.yaml:2: port: value \"65536\": expected an integer from 0 to 65535"},
    {"IntegerNegative", "cluster: c\nport: -1",
     "a.yaml:2: port: value \"-1\": expected an integer from 0 to 65535"},
    {"NumberNotFinite", "cluster: c\nratio: nan",
     "a.yaml:2: ratio: value \"nan\": expected a number from 0 to 1"},
    {"BoolInWords", "cluster: c\ninsecure: yes",
     "a.yaml:2: insecure: value \"yes\": expected true or false"},
    {"EnumUnknown", "cluster: c\nstart: middle",
     "a.yaml:2: start: value \"middle\": expected one of tail, head"},
    {"StringTooLong", "cluster: aaaaaaaaaaaaaaaaaaaaa",
     "a.yaml:1: cluster: value \"aaaaaaaaaaaaaaaaaaaaa\": expected a string with a length from 1 "
     "to "
     "20 bytes"},
    {"NullForString", "cluster:",
     "a.yaml:1: cluster: value \"\": expected a string with a length from 1 to 20 bytes"},
    {"ListForString", "cluster: [a]",
     "a.yaml:1: cluster: value \"[1 entry]\": expected a string with a length from 1 to 20 bytes"},
    {"ScalarForList", "cluster: c\naggregators: x",
     "a.yaml:2: aggregators: value \"x\": expected a list with 1 to 4 entries, each value a string "
     "with a length from 1 to 255 bytes"},
    {"ListTooLong", "cluster: c\naggregators: [a, b, c, d, e]",
     "a.yaml:2: aggregators: value \"[5 entries]\": expected a list with 1 to 4 entries, each "
     "value a "
     "string with a length from 1 to 255 bytes"},
    {"ItemWrong", "cluster: c\naggregators:\n- a\n- {}",
     "a.yaml:4: aggregators[1]: value \"{0 keys}\": expected a string with a length from 1 to 255 "
     "bytes"},
    {"MapInMap", "cluster: c\nlabels: {a: [1]}",
     "a.yaml:2: labels.a: value \"[1 entry]\": expected a string"},
    {"StructIsList", "cluster: c\ntls: []",
     "a.yaml:2: tls: value \"[0 entries]\": expected a map of settings"},
    {"StructInListIncomplete", "cluster: c\nrules:\n - drop: true",
     "a.yaml:3: rules[0].match: value \"\": expected a string; it must be given"},
    {"IdWithSlash", "cluster: c\npeers: {a/b: {}}",
     "a.yaml:2: peers: value \"a/b\": expected an id of 1 to 63 letters, digits, '_', '-' or '.'"},
    {"OutputOfUnknownType", "cluster: c\noutputs: {x: {type: kafka}}",
     "a.yaml:2: outputs.x.type: value \"kafka\": expected one of file, stdout"},
    {"OutputWithoutTypeNamedOtherwise", "cluster: c\noutputs:\n  es: {}",
     "a.yaml:3: outputs.es.type: value \"es\": expected one of file, stdout; without `type` the id "
     "is "
     "the type"},
    {"OutputsOwnField", "cluster: c\noutputs: {stdout: {path: /x}}",
     "a.yaml:2: outputs.stdout.path: value \"/x\": expected a key that is one of retries, type"},
    {"OutputsCommonField", "cluster: c\noutputs: {file: {retries: 11}}",
     "a.yaml:2: outputs.file.retries: value \"11\": expected an integer from 0 to 10"},
    {"RuleAcrossFields", "cluster: c\ninsecure: true\ntls:\n  dir: /x",
     "a.yaml:4: tls.dir: value \"/x\": expected no directory with insecure: true"},
    {"RuleOnADefault", "cluster: c\nport: 1000",
     "a.yaml:1: memory: value \"64MB\" (the default): expected at least 100MB with port: 1000"},
    {"RuleOnAValueAsItIsWritten", "cluster: c\nport: 1000\nmemory: 20000000",
     "a.yaml:3: memory: value \"20000000\": expected at least 100MB with port: 1000"},
    {"RuleOnADefaultInAStruct", "cluster: c\nport: 1005\ntls:\n  dir: /x",
     "a.yaml:4: tls.reload: value \"1m\" (the default): expected another duration"},
    {"RuleOnAList", "cluster: c\nport: 1001\naggregators: [one, two]",
     "a.yaml:3: aggregators: value \"\"two\"\": expected other aggregators"},
    {"RuleOnAListsEntry", "cluster: c\nport: 1002\naggregators:\n- one\n- two",
     "a.yaml:5: aggregators[1]: value \"two\": expected another aggregator"},
    {"RuleOnAnIdWithDots", "cluster: c\nport: 1003\npeers:\n  a: {}\n  a.b:\n    dir: /x",
     "a.yaml:6: peers.a.b.dir: value \"/x\": expected another directory"},
    {"RuleOnASecret", "cluster: c\nport: 1004\npassword: horse",
     "a.yaml:3: password: value \"***\": expected another password"},
    {"RuleOnASecretsDefault", "cluster: c\nport: 1004",
     "a.yaml:1: password: value \"***\" (the default): expected another password"},
    {"SecretIsNotRepeated", "cluster: c\npassword: correct-horse",
     "a.yaml:2: password: value \"***\": expected a string with a length from 0 to 8 bytes"},
    {"VariableNotSet", "cluster: ${NO_SUCH}",
     "a.yaml:1: cluster: value \"${NO_SUCH}\": expected the environment variable NO_SUCH to be "
     "set"},
    {"VariableMalformed", "cluster: ${a b}",
     "a.yaml:1: cluster: value \"${a b}\": expected ${NAME} or ${NAME:-default}; $${ stands for ${ "
     "itself"},
    {"KeyTwice", "cluster: c\ncluster: d",
     "a.yaml:2: value \"cluster\": expected a key once in its map"},
    {"Alias", "cluster: c\ntls: &t {dir: /x}\npeers: {a: *t}",
     "a.yaml:2: tls: value \"&\": expected the value itself: anchors and aliases are not read"},
    {"Tag", "cluster: !!binary aGk=",
     "a.yaml:1: cluster: value \"tag:yaml.org,2002:binary\": expected a value without a tag"},
    {"TwoDocuments", "cluster: c\n---\ncluster: d",
     "a.yaml:2: value \"---\": expected one document a file"},
    {"RootIsScalar", "hello", "a.yaml:1: value \"hello\": expected a map of settings"},
    {"BrokenYaml", "cluster: c\ntls: {dir: [",
     "a.yaml:2: value \"\": expected YAML; end of sequence flow not found"},
    {"ControlBytesAreEscaped", "cluster: \"a\\nb\\nc\\nd\\ne\\nf\\ng\\nh\\ni\\nj\\nk\"",
     "a.yaml:1: cluster: value \"a\\x0ab\\x0ac\\x0ad\\x0ae\\x0af\\x0ag\\x0ah\\x0ai\\x0aj\\x0ak\": "
     "expected a string with a length from 1 to 20 bytes"},
};

INSTANTIATE_TEST_SUITE_P(Rows, ConfigErrors, testing::ValuesIn(kWrong),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Config, NestingBeyondTheLimitIsRefusedByLine) {
  std::string yaml = "cluster: c\n";
  for (int depth = 0; depth <= kMaxDepth; ++depth) yaml += std::string(depth, ' ') + "labels:\n";
  EXPECT_NE(parseSample(yaml + std::string(kMaxDepth + 1, ' ') + "x: y")
                .message()
                .find("expected at most 24 levels of nesting"),
            std::string::npos);
  EXPECT_EQ(parseSample("cluster: " + std::string(100'000, '[')).code(), base::Errc::kFixInput);
}

TEST(Config, TooManyValuesAndTooManyBytesAreRefused) {
  std::string many = "cluster: c\nlabels: [";
  for (int i = 0; i < kMaxNodes; ++i) many += "0,";
  EXPECT_NE(parseSample(many + "]").message().find("at most 100000 values"), std::string::npos);
  const std::string large(kMaxFileSize.count + 1, '#');
  EXPECT_EQ(parseSample(large).message(),
            "a.yaml:1: value \"1048577 bytes\": expected a file of at most 1MiB");
}

TEST(Config, AnUnreadableFileIsOneClearLine) {
  const auto config =
      load(sample::sampleTable(), "/nonexistent/a.yaml", base::posixFileSystem(), fakeEnvironment);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.code(), base::Errc::kFixInput);
  EXPECT_EQ(
      config.message().find("/nonexistent/a.yaml:1: value \"/nonexistent/a.yaml\": expected a "
                            "readable file of at most 1MiB; "),
      0u)
      << config.message();
  EXPECT_EQ(config.message().find('\n'), std::string::npos);
}

TEST(Config, DocumentationListsEveryKeyWithRangeDefaultAndMeaning) {
  const std::string text = documentation(*sample::sampleTable().spec());
  for (const char* line :
       {"| `cluster` | a string with a length from 1 to 20 bytes | must be given | Name of the "
        "cluster. |",
        "| `memory` | a size such as 5MB, 5MiB from 16MB to 4GiB | `64MB` | Memory budget. |",
        "| `start` | one of tail, head | `tail` | Where a new file is read from. |",
        "| `insecure` | true or false | `false` | No TLS \\| plain. |",
        "| `aggregators` | a list with 1 to 4 entries, each value a string with a length from 1 to "
        "255 "
        "bytes | `[\"localhost:24300\"]` | Where blocks go. |",
        "## `tls`", "| `tls.reload` | a duration such as 30s, 500ms from 1s to 1d | `1m` |",
        "| `rules[].match` | a string | must be given |", "## `outputs.<id>` with type `file`",
        "| `outputs.<id>.rotate` | a size such as 5MB, 5MiB, at least 1MB | `100MB` |"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  }
}

}  // namespace
}  // namespace logtail::config
