// What `logtail-agent validate` refuses beyond the bounds of single values.
#include "agent/agent_config.h"

#include <gtest/gtest.h>

#include "agent/tail_worker.h"

namespace logtail::agent {
namespace {

struct Wrong {
  const char* name;
  const char* yaml;
  const char* message;
};
void PrintTo(const Wrong& row, std::ostream* out) {
  *out << row.name;
}

class AgentConfigErrors : public testing::TestWithParam<Wrong> {};

TEST_P(AgentConfigErrors, NameLinePathValueAndWhatIsAccepted) {
  const auto config = config::parse(agentTable(), GetParam().yaml, "agent.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.code(), base::Errc::kFixInput);
  EXPECT_EQ(config.message(), GetParam().message);
}

const Wrong kWrong[] = {
    {"SecondAddressIsNone", "aggregators:\n- 127.0.0.1:1\n- foo",
     "agent.yaml:3: aggregators[1]: value \"foo\": expected host:port or [IPv6]:port with a port "
     "from 0 to 65535"},
    {"SecondAddressIsElsewhere", "aggregators: [\"127.0.0.1:1\", \"foo:1\"]",
     "agent.yaml:1: aggregators[1]: value \"foo:1\": expected a loopback address, or tls.dir, or "
     "insecure: true"},
    {"NoAddresses", "aggregators: []",
     "agent.yaml:1: aggregators: value \"[0 entries]\": expected a list with 1 to 64 entries, each "
     "value a string"},
    {"HttpAddress", "http:\n  listen: everywhere",
     "agent.yaml:2: http.listen: value \"everywhere\": expected host:port or [IPv6]:port with a "
     "port from 0 to 65535"},
};

INSTANTIATE_TEST_SUITE_P(Rows, AgentConfigErrors, testing::ValuesIn(kWrong),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(AgentConfig, AsksForTheMemoryThatItsWorkersTake) {
  using namespace base::literals;
  const base::Bytes needed{64 * TailWorker::fixedBytes(TailWorkerOptions{}.slabBytes)};
  const std::string enough = base::formatBytes(base::roundUp(needed, 1_MB));
  const std::string expected = ": expected at least " + enough + " for 64 workers";
  const auto parsed = [](const std::string& yaml) {
    return config::parse(agentTable(), yaml, "agent.yaml");
  };
  EXPECT_EQ(parsed("cluster: c\nmemory: 32MB\nworkers: 64").message(),
            "agent.yaml:2: memory: value \"32MB\"" + expected);
  EXPECT_EQ(parsed("workers: 64").message(),
            "agent.yaml:1: memory: value \"64MB\" (the default)" + expected);
  EXPECT_TRUE(parsed("workers: 64\nmemory: " + enough).ok());
}

}  // namespace
}  // namespace logtail::agent
