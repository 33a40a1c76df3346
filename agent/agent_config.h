#pragma once
// agent.yaml as structs; the table in agent_config.cc gives names, documents and bounds.

#include <chrono>
#include <string>
#include <vector>

#include "agent/stream_plan.h"
#include "common/config/config.h"

namespace logtail::agent {

struct TlsConfig {
  std::string dir;  // empty: no TLS
  std::string serverName;
};

struct LogsConfig {
  std::string dir = "/var/log";
  base::Bytes maxLine{128 * 1024};
  base::Bytes readRate{0};  // a second; 0: no cap
  std::chrono::nanoseconds batchInterval = std::chrono::milliseconds(15);
  std::chrono::nanoseconds rotationGrace = std::chrono::seconds(1);
  std::chrono::nanoseconds safetyScan = std::chrono::seconds(30);
};

struct StateConfig {
  std::string dir = "/var/lib/logtail";
};

struct DiskConfig {
  base::Bytes max{1ULL << 30};
  unsigned minFree = 15;  // percent
};

struct HttpConfig {
  std::string listen = "0.0.0.0:8687";
};

struct AgentConfig {
  std::string cluster = "default";
  std::string node;  // empty: the host's name
  std::vector<std::string> aggregators{"127.0.0.1:24300"};
  TlsConfig tls;
  bool insecure = false;
  LogsConfig logs;
  StartAt readFrom = StartAt::kHead;
  StateConfig state;
  DiskConfig disk;
  HttpConfig http;
  base::Bytes memory{64'000'000};
  unsigned workers = 1;
  int compression = 1;
  std::chrono::nanoseconds drainTimeout = std::chrono::seconds(20);
};

config::Table<AgentConfig> agentTable();

}  // namespace logtail::agent
