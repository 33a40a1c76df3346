#include "bench/speed/pipeline.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bench/speed/program.h"
#include "tests/support/test_certificates.h"

namespace logtail::bench {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::minutes kLimit{10};
constexpr std::chrono::milliseconds kPoll{50};

// The keys of one side's configuration; with TLS its certificate is made.
std::string tlsKeys(const PipelineOptions& options, const test::TestAuthority& authority,
                    const test::Certificate& certificate) {
  if (!options.tls) return "";
  const std::string directory = options.workDirectory + "/" + certificate.commonName;
  fs::create_directories(directory);
  authority.issue(directory, certificate);
  return "tls: {dir: " + directory + "}\n";
}

}  // namespace

PipelineRun runPipeline(const Corpus& corpus, const PipelineOptions& options) {
  PipelineRun run;
  const std::string& work = options.workDirectory;
  fs::remove_all(work);
  fs::create_directories(work);
  const test::TestAuthority authority;
  std::ofstream(work + "/aggregator.yaml")
      << tlsKeys(options, authority, {"aggregator", "IP:127.0.0.1", ""})
      << "listen: \"127.0.0.1:0\"\nhttp: {listen: \"127.0.0.1:0\"}\ndata: {dir: " << work
      << "/data}\n"
      << "queue: {size: 8GiB, retain: 0s, sync: " << (options.sync ? "true" : "false") << "}\n";
  std::vector<std::pair<std::string, std::string>> slow;
  if (options.slowSyncMicros > 0) {
    slow = {{"LD_PRELOAD", options.binDirectory + "/liblogtail-slow-sync.so"},
            {"LOGTAIL_SLOW_SYNC_US", std::to_string(options.slowSyncMicros)}};
  }
  Program aggregator(
      {options.binDirectory + "/logtail-aggregator", "--config", work + "/aggregator.yaml"},
      work + "/aggregator.log", slow);
  const std::string port = fromLog(work + "/aggregator.log", "agents on port ");
  const std::string http = fromLog(work + "/aggregator.log", "http on port ");
  if (port.empty() || http.empty()) return run.why = "the aggregator did not start", run;
  std::ofstream(work + "/agent.yaml")
      << tlsKeys(options, authority, {"bench", "DNS:bench", ""})
      << "cluster: bench\nnode: bench\naggregators: [\"127.0.0.1:" << port
      << "\"]\nlogs: {dir: " << corpus.root << "}\nstate: {dir: " << work
      << "/state}\nhttp: {listen: \"127.0.0.1:0\"}\n";
  const double aggregatorBefore = aggregator.cpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  Program agent({options.binDirectory + "/logtail-agent", "--config", work + "/agent.yaml"},
                work + "/agent.log");
  const std::string agentHttp = fromLog(work + "/agent.log", "http on port ");
  for (;;) {
    const std::string metrics = metricsOf(agentHttp);
    const double read = metric(metrics, "logtail_record_bytes_total");
    const double unacked = metric(metrics, "logtail_unacked_bytes");
    if (read >= static_cast<double>(corpus.bytes) && unacked == 0) break;
    if (std::chrono::steady_clock::now() - start > kLimit)
      return run.why = "not all became durable", run;
    std::this_thread::sleep_for(kPoll);
  }
  run.wallSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.agent = {static_cast<double>(corpus.bytes), agent.cpuSeconds()};
  run.aggregator = {metric(metricsOf(agentHttp), "logtail_unit_bytes_total"),
                    aggregator.cpuSeconds() - aggregatorBefore};
  agent.finish();
  aggregator.finish();
  run.ok = true;
  return run;
}

}  // namespace logtail::bench
