#pragma once
// How logtail-crash is asked to torment the programs.

#include <chrono>
#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace logtail::bench {

struct CrashOptions {
  std::string programs;  // directory of logtail-agent, logtail-aggregator, logtail and podsim
  std::string base;      // where the run's own directory goes; empty: $TMPDIR
  std::chrono::milliseconds time{60'000};
  uint32_t agentKills = 20;
  uint32_t aggregatorKills = 20;
  std::chrono::milliseconds longestDown{2000};
  uint64_t seed = 1;
  uint32_t pods = 50;
  double rate = 90'000;  // lines a second: about 512 KiB a pod
  std::string partialFraction = "0.002";
  uint32_t shortLived = 0;  // pods that live 100 ms, their directories one second longer
  std::string longLine;     // one line of so many bytes: "100MiB"
  std::string outputYaml;   // further keys of the file output
  std::string queueYaml = "size: 4GiB, retain: 0s";
  std::string snapshotInterval = "10s";
  std::string rotateBytes = "512KiB";
  std::string rotateEvery = "1s";
  std::chrono::seconds auditWait{60};
  bool deleteAgentState = false;
  bool tls = false;  // between agent and aggregator
  bool keepDir = false;
};

// kFixInput with what is wrong; an empty message: help was asked for and printed. --short comes
// first, so that other options can change what it sets.
base::Result<CrashOptions> parseCrashOptions(int argc, const char* const* argv);

}  // namespace logtail::bench
