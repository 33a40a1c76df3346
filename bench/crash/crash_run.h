#pragma once
// The acceptance "Crash, the processes": everything killed at random, every line counted.
//
// Flow: makeSchedule -> Programs started, killed and started again while podsim writes -> podsim
// stops -> audit -> both stopped -> DeliveryCheck. Thread: one; it waits in sigtimedwait, so
// SIGTERM and SIGINT must be blocked. Every wait is bounded.

#include <string>
#include <vector>

#include "bench/crash/options.h"
#include "bench/crash/programs.h"
#include "bench/podcheck/check.h"

namespace logtail::bench {

struct CrashResult {
  uint32_t agentKills = 0;
  uint32_t aggregatorKills = 0;
  int auditCode = -1;
  std::string auditText;
  CheckReport report;
  std::vector<std::string> failures;  // empty: passed
};

class CrashRun {
 public:
  // Both must outlive it; `directory` is empty.
  CrashRun(const CrashOptions& options, const std::string& directory);
  CrashResult run();

 private:
  using Time = std::chrono::steady_clock::time_point;

  base::Status torment();
  base::Status follow(const CrashEvent& event);
  void note(const CrashEvent& event);
  base::Status deleteState();
  base::Status settle();
  base::Status audit();
  void compare();
  base::Status waitUntil(Time time);
  uint64_t resultBytes() const;

  const CrashOptions& options_;
  Programs programs_;
  CrashResult result_;
  Floors floors_;
};

}  // namespace logtail::bench
