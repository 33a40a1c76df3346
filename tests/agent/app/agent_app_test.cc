// The agent as main runs it, over HTTP, with no aggregator to be reached.
#include "agent/agent_app.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/log.h"
#include "common/net/http_client.h"
#include "tests/support/temp_dir.h"

namespace logtail::agent {
namespace {

class AgentAppTest : public testing::Test {
 protected:
  AgentAppTest() {
    base::setLogLevel(base::LogLevel::kError);
    std::filesystem::create_directories(dir_ / "log/containers");
    config_.node = "n";
    config_.aggregators = {"127.0.0.1:1"};
    config_.logs.dir = dir_ / "log";
    config_.state.dir = dir_ / "state";
    config_.http.listen = "127.0.0.1:0";
  }

  base::Status start() {
    app_ = std::make_unique<AgentApp>(config_, base::posixFileSystem(), base::systemClock());
    return app_->start();
  }
  net::HttpResponse get(const std::string& target) {
    const auto response =
        net::httpGet("http://127.0.0.1:" + std::to_string(app_->httpPort()) + target);
    EXPECT_TRUE(response.ok()) << response.message();
    return response.ok() ? *response : net::HttpResponse{0, {}, {}, {}};
  }

  logtail::test::TempDir dir_;
  AgentConfig config_;
  std::unique_ptr<AgentApp> app_;
};

// Of the names with "# TYPE", those that no document explains.
std::string undocumented(const std::string& metrics) {
  std::ifstream file(std::string(LOGTAIL_SOURCE_DIR) + "/docs/operations.md");
  std::stringstream document;
  document << file.rdbuf();
  std::string missing;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string hash, type, name;
    words >> hash >> type >> name;
    if (hash != "#" || type != "TYPE") continue;
    if (document.str().find("`" + name) == std::string::npos) missing += name + " ";
  }
  return missing;
}

TEST_F(AgentAppTest, EverySeriesIsExplainedInTheDocument) {
  ASSERT_TRUE(start().ok());
  const std::string metrics = get("/metrics").body;
  EXPECT_EQ(undocumented(metrics), "");
  EXPECT_NE(metrics.find("\nlogtail_cut_records_total{reason=\"max_line\"} 0\n"),
            std::string::npos);
}

TEST_F(AgentAppTest, IsReadyOnceEveryWorkerWatchesAndHasScannedWhateverTheAggregatorDoes) {
  config_.workers = 2;
  const std::string containers = dir_ / "log/containers";
  std::filesystem::remove(containers);
  ASSERT_TRUE(start().ok());
  EXPECT_EQ(get("/livez").status, 200);
  const std::string watching =
      "[-]watching failed: 2 of 2 workers could not watch " + containers + " yet\n";
  const std::string scanned =
      "[-]scanned failed: 2 of 2 workers could not list " + containers + " yet\n";
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(get("/readyz").body, watching + scanned);
  EXPECT_EQ(get("/readyz?verbose").body, watching + scanned + "failed\n");

  std::filesystem::create_directory(containers);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (get("/readyz").status != 200 && std::chrono::steady_clock::now() < limit) {
  }
  EXPECT_EQ(get("/readyz?verbose").body, "[+]watching ok\n[+]scanned ok\npassed\n");
  EXPECT_NE(get("/metrics").body.find("\nlogtail_connected 0\n"), std::string::npos);
}

TEST_F(AgentAppTest, StartsWithTheMemoryThatItsWorkersAreSaidToTakeAndNotWithLess) {
  config_.workers = 3;
  config_.memory.count = 3 * TailWorker::fixedBytes(TailWorkerOptions{}.slabBytes);
  const base::Status started = start();
  EXPECT_TRUE(started.ok()) << started.message();
  app_.reset();
  --config_.memory.count;
  EXPECT_EQ(start().code(), base::Errc::kFixInput);
}

}  // namespace
}  // namespace logtail::agent
