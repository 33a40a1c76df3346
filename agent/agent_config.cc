#include "agent/agent_config.h"

#include "agent/tail_worker.h"
#include "common/net/host_port.h"
#include "common/net/tls.h"

namespace logtail::agent {
namespace {

using namespace std::chrono_literals;
using namespace base::literals;

bool isLoopback(const std::string& address) {
  const auto parsed = net::parseHostPort(address);
  return parsed.ok() && net::isLoopback(parsed->host);
}

std::optional<config::Problem> checkCertificates(const TlsConfig& tls) {
  if (tls.dir.empty()) return std::nullopt;
  const base::Status status = net::checkTlsDirectory(tls.dir, net::TlsSide::kClient);
  if (status.ok()) return std::nullopt;
  return config::Problem{
      "tls.dir", tls.dir,
      "a directory with usable ca.crt, tls.crt and tls.key; " + status.message()};
}

std::optional<config::Problem> checkMemory(const AgentConfig& c) {
  const uint64_t each = TailWorker::fixedBytes(TailWorkerOptions{}.slabBytes);
  if (c.workers * each <= c.memory.count) return std::nullopt;
  return config::Problem{"memory", base::formatBytes(c.memory),
                         "at least " + base::formatBytes(base::roundUp({c.workers * each}, 1_MB)) +
                             " for " + std::to_string(c.workers) + " workers"};
}

config::Table<TlsConfig> tlsTable() {
  config::Table<TlsConfig> table("tls", "Certificates for the way to the aggregator.");
  table.value(
      "dir", &TlsConfig::dir,
      "Directory with ca.crt, tls.crt and tls.key, read again at each connection; empty: no TLS.");
  table.value("server_name", &TlsConfig::serverName,
              "Name the aggregator's certificate must have; empty: the host of its address.");
  return table;
}

config::Table<LogsConfig> logsTable() {
  config::Table<LogsConfig> table("logs", "What is read, and how.");
  table.value("dir", &LogsConfig::dir, "Directory that has containers/ and pods/.").range(1, 4096);
  table
      .value("max_line", &LogsConfig::maxLine,
             "Longest record; what it has beyond is cut off, flagged `truncated` and counted.")
      .range(1_KiB, 192_KiB);
  table.value("read_rate", &LogsConfig::readRate,
              "Most bytes that one worker reads a second, for catching up gently; 0: no cap.");
  table
      .value(
          "batch_interval", &LogsConfig::batchInterval,
          "How long changes of files are gathered before they are read; the first after a rest is "
          "read at once.")
      .range(0s, 1s);
  table
      .value("rotation_grace", &LogsConfig::rotationGrace,
             "How long a rotated file is still watched for stragglers once its successor was seen.")
      .range(100ms, 60s);
  table
      .value("safety_scan", &LogsConfig::safetyScan,
             "How often every file is looked at, whether or not there was an event.")
      .range(1s, 1h);
  return table;
}

config::Table<StateConfig> stateTable() {
  config::Table<StateConfig> table("state", "What the agent must not forget.");
  table
      .value(
          "dir", &StateConfig::dir,
          "Directory of checkpoint and spool; must outlive the process and be this agent's alone.")
      .range(1, 4096);
  return table;
}

config::Table<DiskConfig> diskTable() {
  config::Table<DiskConfig> table("disk",
                                  "What the agent may keep on disk that is not shipped yet.");
  table
      .value(
          "max", &DiskConfig::max,
          "Most bytes of deleted files held open and copies in the spool together; beyond it the "
          "oldest is given up and counted.")
      .range(1_MiB, 1024_GiB);
  table
      .value(
          "min_free", &DiskConfig::minFree,
          "Percent of the file systems of logs and state to leave free; below it deleted files and "
          "copies are given up, the oldest first, and counted.")
      .range(0, 90);
  return table;
}

config::Table<HttpConfig> httpTable() {
  config::Table<HttpConfig> table("http", "Metrics and health.");
  table.value("listen", &HttpConfig::listen,
              "Address of /metrics, /livez and /readyz; port 0 takes a free one.");
  return table;
}

}  // namespace

config::Table<AgentConfig> agentTable() {
  config::Table<AgentConfig> table("agent", "logtail-agent, one a node.");
  table
      .value("cluster", &AgentConfig::cluster,
             "Name of the cluster; part of every record's identity.")
      .range(1, 253);
  table.value("node", &AgentConfig::node, "Name of the node; the host's name when empty.")
      .range(0, 253);
  table
      .list("aggregators", &AgentConfig::aggregators,
            "Addresses of the aggregators, host:port or [IPv6]:port, tried in turn.")
      .count(1, 64);
  table.table("tls", &AgentConfig::tls, "Certificates for the way to the aggregator.", tlsTable());
  table.value("insecure", &AgentConfig::insecure,
              "Allows aggregators on other machines without TLS.");
  table.table("logs", &AgentConfig::logs, "What is read, and how.", logsTable());
  table.choice("read_from", &AgentConfig::readFrom,
               "Where present files are read from at the first start on a node that the aggregator "
               "has never seen; later files are always read from their head.",
               {{"head", StartAt::kHead}, {"tail", StartAt::kTail}});
  table.table("state", &AgentConfig::state, "What the agent must not forget.", stateTable());
  table.table("disk", &AgentConfig::disk, "What may be kept that is not shipped yet.", diskTable());
  table.table("http", &AgentConfig::http, "Metrics and health.", httpTable());
  table
      .value("memory", &AgentConfig::memory,
             "Byte budget for slabs, units, streams and open records; an eighth of it may wait for "
             "acknowledgement.")
      .range(32_MB, 64_GB);
  table
      .value("workers", &AgentConfig::workers,
             "Threads that read; each owns a share of the streams.")
      .range(1, 64);
  table
      .value("compression", &AgentConfig::compression,
             "zstd's level for units; higher ones cost much CPU.")
      .range(1, 19);
  table
      .value(
          "drain_timeout", &AgentConfig::drainTimeout,
          "How long a stop waits for acknowledgements, before it copies what would be lost to the "
          "spool.")
      .range(0s, 10min);
  table.rule([](const AgentConfig& c) -> std::optional<config::Problem> {
    for (size_t i = 0; i < c.aggregators.size(); ++i) {
      const std::string& address = c.aggregators[i];
      const std::string path = "aggregators[" + std::to_string(i) + "]";
      if (!net::parseHostPort(address).ok())
        return config::Problem{path, address, net::kHostPortForm};
      if (c.tls.dir.empty() && !c.insecure && !isLoopback(address)) {
        return config::Problem{path, address, "a loopback address, or tls.dir, or insecure: true"};
      }
    }
    if (!net::parseHostPort(c.http.listen).ok()) {
      return config::Problem{"http.listen", c.http.listen, net::kHostPortForm};
    }
    if (auto problem = checkMemory(c)) return problem;
    return checkCertificates(c.tls);
  });
  return table;
}

}  // namespace logtail::agent
