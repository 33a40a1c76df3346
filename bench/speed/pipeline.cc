#include "bench/speed/pipeline.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/net/http_client.h"

namespace logtail::bench {
namespace {

namespace fs = std::filesystem;
constexpr std::chrono::minutes kLimit{10};
constexpr std::chrono::milliseconds kPoll{50};

// A child process, ended by its id.
class Child {
 public:
  Child(const std::string& program, const std::string& config, const std::string& log) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int fd = ::open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    ::dup2(fd, 1);
    ::dup2(fd, 2);
    ::execl(program.c_str(), program.c_str(), "--config", config.c_str(), nullptr);
    ::_exit(127);
  }
  ~Child() { finish(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // User and system seconds so far.
  double cpuSeconds() const {
    clockid_t clock{};
    timespec used{};
    if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
  }
  void finish() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
};

// The port a program says it listens on, in its own log.
std::string portFromLog(const std::string& log, const std::string& phrase) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    std::ifstream in(log);
    for (std::string line; std::getline(in, line);) {
      const size_t at = line.find(phrase);
      if (at != std::string::npos) return line.substr(at + phrase.size());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

double metric(const std::string& port, const std::string& name) {
  const auto answer = net::httpGet("http://127.0.0.1:" + port + "/metrics");
  if (!answer.ok()) return -1;
  std::istringstream lines(answer->body);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ")) return std::atof(line.c_str() + name.size() + 1);
  }
  return -1;
}

}  // namespace

PipelineRun runPipeline(const Corpus& corpus, const PipelineOptions& options) {
  PipelineRun run;
  const std::string& work = options.workDirectory;
  fs::remove_all(work);
  fs::create_directories(work);
  std::ofstream(work + "/aggregator.yaml")
      << "listen: \"127.0.0.1:0\"\nhttp: {listen: \"127.0.0.1:0\"}\ndata: {dir: " << work
      << "/data}\n"
      << "queue: {size: 8GiB, retain: 0s, sync: " << (options.sync ? "true" : "false") << "}\n";
  Child aggregator(options.binDirectory + "/logtail-aggregator", work + "/aggregator.yaml",
                   work + "/aggregator.log");
  const std::string port = portFromLog(work + "/aggregator.log", "agents on port ");
  const std::string http = portFromLog(work + "/aggregator.log", "http on port ");
  if (port.empty() || http.empty()) return run.why = "the aggregator did not start", run;
  std::ofstream(work + "/agent.yaml")
      << "cluster: bench\nnode: bench\naggregators: [\"127.0.0.1:" << port
      << "\"]\nlogs: {dir: " << corpus.root << "}\nstate: {dir: " << work
      << "/state}\nhttp: {listen: \"127.0.0.1:0\"}\n";
  const double aggregatorBefore = aggregator.cpuSeconds();
  const auto start = std::chrono::steady_clock::now();
  Child agent(options.binDirectory + "/logtail-agent", work + "/agent.yaml", work + "/agent.log");
  const std::string agentHttp = portFromLog(work + "/agent.log", "http on port ");
  for (;;) {
    const double read = metric(agentHttp, "logtail_record_bytes_total");
    const double unacked = metric(agentHttp, "logtail_unacked_bytes");
    if (read >= static_cast<double>(corpus.bytes) && unacked == 0) break;
    if (std::chrono::steady_clock::now() - start > kLimit)
      return run.why = "not all became durable", run;
    std::this_thread::sleep_for(kPoll);
  }
  run.wallSeconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run.agent = {static_cast<double>(corpus.bytes), agent.cpuSeconds()};
  run.aggregator = {metric(agentHttp, "logtail_unit_bytes_total"),
                    aggregator.cpuSeconds() - aggregatorBefore};
  agent.finish();
  aggregator.finish();
  run.ok = true;
  return run;
}

}  // namespace logtail::bench
