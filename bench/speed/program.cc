#include "bench/speed/program.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/net/http_client.h"

namespace logtail::bench {

Program::Program(const std::vector<std::string>& arguments, const std::string& log,
                 const std::vector<std::pair<std::string, std::string>>& environment) {
  pid_ = ::fork();
  if (pid_ != 0) return;
  const int fd = ::open(log.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  ::dup2(fd, 1);
  ::dup2(fd, 2);
  for (const auto& [key, value] : environment) ::setenv(key.c_str(), value.c_str(), 1);
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

double Program::cpuSeconds() const {
  clockid_t clock{};
  timespec used{};
  if (::clock_getcpuclockid(pid_, &clock) != 0 || ::clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

double Program::rssMegabytes() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::atof(line.c_str() + 6) * 1024 / 1e6;
  }
  return 0;
}

void Program::finish() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::string fromLog(const std::string& log, const std::string& phrase) {
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

std::string metricsOf(const std::string& port) {
  const auto answer = net::httpGet("http://127.0.0.1:" + port + "/metrics");
  return answer.ok() ? answer->body : std::string();
}

double metric(const std::string& text, const std::string& name) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + " ")) return std::atof(line.c_str() + name.size() + 1);
  }
  return -1;
}

}  // namespace logtail::bench
