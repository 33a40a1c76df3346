#include "bench/speed/steady.h"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "bench/speed/program.h"

namespace logtail::bench {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::seconds kWarmUp{3};

// Cumulative counts of a histogram by upper bound.
std::map<double, double> buckets(const std::string& text, const std::string& name) {
  std::map<double, double> found;
  std::istringstream lines(text);
  const std::string start = name + "_bucket{le=\"";
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(start)) continue;
    const double bound = std::strtod(line.c_str() + start.size(), nullptr);
    found[bound] = std::atof(line.c_str() + line.rfind(' ') + 1);
  }
  return found;
}

double quantileMillis(const std::map<double, double>& before, const std::map<double, double>& after,
                      double share) {
  if (after.empty()) return -1;
  const auto counted = [&](const auto& bucket) {
    const auto at = before.find(bucket.first);
    return bucket.second - (at == before.end() ? 0 : at->second);
  };
  double all = 0;
  for (const auto& bucket : after) all = std::max(all, counted(bucket));
  for (const auto& bucket : after) {
    if (counted(bucket) >= share * all) return bucket.first * 1000;
  }
  return -1;
}

}  // namespace

SteadyRun runSteady(const std::string& binDirectory, const std::string& workDirectory,
                    unsigned pods, unsigned rate, unsigned seconds) {
  SteadyRun run;
  const std::string& work = workDirectory;
  fs::remove_all(work);
  fs::create_directories(work + "/node/containers");
  std::ofstream(work + "/aggregator.yaml")
      << "listen: \"127.0.0.1:0\"\nhttp: {listen: \"127.0.0.1:0\"}\ndata: {dir: " << work
      << "/data}\nqueue: {size: 8GiB, retain: 0s}\n";
  const Program aggregator(
      {binDirectory + "/logtail-aggregator", "--config", work + "/aggregator.yaml"},
      work + "/aggregator.log");
  const std::string port = fromLog(work + "/aggregator.log", "agents on port ");
  const std::string http = fromLog(work + "/aggregator.log", "http on port ");
  if (port.empty() || http.empty()) return run.why = "the aggregator did not start", run;
  std::ofstream(work + "/agent.yaml")
      << "cluster: bench\nnode: bench\naggregators: [\"127.0.0.1:" << port
      << "\"]\nlogs: {dir: " << work << "/node}\nstate: {dir: " << work
      << "/state}\nhttp: {listen: \"127.0.0.1:0\"}\n";
  const Program agent({binDirectory + "/logtail-agent", "--config", work + "/agent.yaml"},
                      work + "/agent.log");
  if (fromLog(work + "/agent.log", "http on port ").empty()) {
    return run.why = "the agent did not start", run;
  }
  std::vector<std::string> writer{binDirectory + "/podsim", "--root", work + "/node", "--pods",
                                  std::to_string(pods)};
  if (rate == 0) {
    writer.push_back("--idle");
  } else {
    // Of a line in parts the time is that of the first: until the last is written it waits for its
    // writer, not for us.
    writer.insert(writer.end(), {"--rate", std::to_string(rate), "--partial-fraction", "0"});
  }
  const Program podsim(writer, work + "/podsim.log");
  std::this_thread::sleep_for(kWarmUp);
  constexpr char kLatency[] = "logtail_durable_latency_seconds";
  const auto before = buckets(metricsOf(http), kLatency);
  const double cpu = agent.cpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const double wall =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.cpuShare = (agent.cpuSeconds() - cpu) / wall;
  run.rssMegabytes = agent.rssMegabytes();
  const auto after = buckets(metricsOf(http), kLatency);
  run.p50Millis = quantileMillis(before, after, 0.5);
  run.p99Millis = quantileMillis(before, after, 0.99);
  run.ok = true;
  return run;
}

}  // namespace logtail::bench
