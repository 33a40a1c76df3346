#pragma once
// One aggregator, one agent and one simulated node in a directory of their own, on ports of their
// own.
//
// Flow: CrashRun -> Programs -> Child. Owns the children. Thread: one. A program that ends without
// having been told to is a failure that check() tells.

#include <chrono>
#include <string>

#include "bench/crash/child.h"
#include "bench/crash/options.h"
#include "bench/crash/schedule.h"

namespace logtail::bench {

// A TCP port of 127.0.0.1 that nobody listens on, outside the range from which the kernel takes
// ports for connections: one of those could connect to itself while the listener is down.
base::Result<uint16_t> freePort();

class Programs {
 public:
  Programs(const CrashOptions& options, std::string directory);

  base::Status writeConfigs();
  base::Status start(Target target);
  base::Status startPodsim();
  void kill9(Target target);
  bool running(Target target) { return child(target).running(); }
  // Asks /readyz until it says 200, at most `limit`.
  base::Status waitReady(Target target, std::chrono::milliseconds limit);
  // A program that should run and does not: which, how it ended, the end of its log.
  base::Status check();
  // SIGTERM; an error unless it ends with code 0 within the limit.
  base::Status stop(Target target, std::chrono::milliseconds limit);
  base::Status stopPodsim(std::chrono::milliseconds limit);
  Child& podsim() { return podsim_; }
  // What /metrics says.
  base::Result<std::string> metrics(Target target);
  // The audit's own words; an error when it does not end. `code` is its exit code.
  base::Result<std::string> audit(int& code);

  const std::string& directory() const { return directory_; }
  std::string root() const { return directory_ + "/node"; }
  std::string results() const { return directory_ + "/results"; }
  std::string agentState() const { return directory_ + "/agent-state"; }
  std::string logPath(const std::string& program) const {
    return directory_ + "/" + program + ".log";
  }

 private:
  Child& child(Target target) { return target == Target::kAgent ? agent_ : aggregator_; }
  std::string program(const std::string& name) const { return options_.programs + "/" + name; }
  std::string url(Target target) const;
  base::Status writeCertificates();
  base::Status ended(const char* name, Child& child, bool expected);

  const CrashOptions& options_;
  const std::string directory_;
  uint16_t wirePort_ = 0;
  uint16_t agentPort_ = 0;
  uint16_t aggregatorPort_ = 0;
  Child aggregator_;
  Child agent_;
  Child podsim_;
  bool agentUp_ = false;  // as it should be
  bool aggregatorUp_ = false;
};

const char* name(Target target);

}  // namespace logtail::bench
