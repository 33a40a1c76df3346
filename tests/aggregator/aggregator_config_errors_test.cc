// What `logtail-aggregator validate` refuses beyond the bounds of single values.
#include "aggregator/aggregator_config.h"

#include <gtest/gtest.h>

#include "aggregator/output_types.h"

namespace logtail::aggregator {
namespace {

base::Result<AggregatorConfig> parsed(const std::string& yaml) {
  const outputs::OutputRegistry registry = outputTypes();
  return config::parse(aggregatorTable(registry.types()), yaml, "aggregator.yaml");
}

struct Wrong {
  const char* name;
  const char* yaml;
  const char* message;
};
void PrintTo(const Wrong& row, std::ostream* out) {
  *out << row.name;
}

class AggregatorConfigErrors : public testing::TestWithParam<Wrong> {};

TEST_P(AggregatorConfigErrors, NameLinePathValueAndWhatIsAccepted) {
  const auto config = parsed(GetParam().yaml);
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.code(), base::Errc::kFixInput);
  EXPECT_EQ(config.message(), GetParam().message);
}

const Wrong kWrong[] = {
    {"DefaultAddressIsNoLoopback", "memory: 1GiB",
     "aggregator.yaml:1: listen: value \"0.0.0.0:24300\" (the default): expected a loopback "
     "address, or tls.dir, or insecure: true"},
    {"HttpAddress", "insecure: true\nhttp: {listen: \"\"}",
     "aggregator.yaml:2: http.listen: value \"\": expected host:port or [IPv6]:port with a port "
     "from 0 to 65535"},
    {"QueueOfTwoSegments", "insecure: true\nqueue: {segment: 1GiB, size: 2GiB}",
     "aggregator.yaml:2: queue.size: value \"2GiB\": expected at least 4GiB, four times "
     "queue.segment"},
    {"LongestWaitIsTheDefault",
     "insecure: true\noutputs:\n  a.b: {type: file, directory: /x, retry_min: 40s}",
     "aggregator.yaml:3: outputs.a.b.retry_max: value \"30s\" (the default): expected at least "
     "retry_min, 40s"},
    {"DirectoryIsRelative", "insecure: true\noutputs:\n  file:\n    directory: x",
     "aggregator.yaml:4: outputs.file.directory: value \"x\": expected an absolute path"},
    {"DirectoryInAnothers",
     "insecure: true\noutputs:\n  a: {type: file, directory: /x}\n  b.c: {type: file, directory: "
     "/x/y}",
     "aggregator.yaml:4: outputs.b.c.directory: value \"/x/y\": expected a directory of its own, "
     "neither in /x nor around it"},
    {"MemoryForOneOutput",
     "insecure: true\nmemory: 160MB\noutputs: {a: {type: stdout}, b: {type: stdout}}",
     "aggregator.yaml:2: memory: value \"160MB\": expected at least 204MB: outputs have half of "
     "it, "
     "and these take up to 102MB"},
    {"BufferBeyondTheDefaultMemory",
     "insecure: true\noutputs: {file: {directory: /x, buffer: 1GiB}}",
     "aggregator.yaml:1: memory: value \"1GiB\" (the default): expected at least 2216MB: outputs "
     "have half of it, and these take up to 1108MB"},
};

INSTANTIATE_TEST_SUITE_P(Rows, AggregatorConfigErrors, testing::ValuesIn(kWrong),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(AggregatorConfig, TheMemoryThatAnErrorAsksForIsEnough) {
  const std::string yaml = "insecure: true\noutputs: {a: {type: stdout}, b: {type: stdout}}\n";
  EXPECT_FALSE(parsed(yaml + "memory: 203MB").ok());
  EXPECT_TRUE(parsed(yaml + "memory: 204MB").ok());
}

}  // namespace
}  // namespace logtail::aggregator
