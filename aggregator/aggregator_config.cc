#include "aggregator/aggregator_config.h"

#include <filesystem>

#include "common/net/host_port.h"
#include "common/net/tls.h"
#include "outputs/batch_reader.h"
#include "outputs/file_settings.h"

namespace logtail::aggregator {
namespace {

using namespace std::chrono_literals;
using namespace base::literals;

config::Table<QueueConfig> queueTable() {
  config::Table<QueueConfig> table("queue",
                                   "Where lines are durable before they are acknowledged.");
  table.choice("type", &QueueConfig::type, "Kind of queue.", {{"wal", QueueType::kWal}});
  table
      .value(
          "size", &QueueConfig::size,
          "Most bytes of the queue; a twentieth, at least one segment, is kept back. When the rest "
          "is used, an output that is behind with `full: block` stops ingest.")
      .range(32_MiB, 1024_TB);
  table.value("segment", &QueueConfig::segment, "Size of one segment file.").range(8_MiB, 1_GiB);
  table
      .value(
          "retain", &QueueConfig::retain,
          "How long delivered entries and ended streams are kept; entries less long when the queue "
          "is full.")
      .range(0s, 8760h);
  table.value("sync", &QueueConfig::sync,
              "false: acknowledge without fdatasync; only to measure what syncing costs.");
  table.rule([](const QueueConfig& c) -> std::optional<config::Problem> {
    if (c.size.count >= 4 * c.segment.count) return std::nullopt;
    return config::Problem{
        "size", base::formatBytes(c.size),
        "at least " + base::formatBytes({4 * c.segment.count}) + ", four times queue.segment"};
  });
  return table;
}

// Whether one of two directories is the other, or lies in it; by name, links are not followed.
bool overlap(const std::string& a, const std::string& b) {
  const auto slashed = [](const std::string& path) {
    return std::filesystem::path(path + "/").lexically_normal().string();
  };
  const std::string one = slashed(a);
  const std::string other = slashed(b);
  return one.starts_with(other) || other.starts_with(one);
}

// Files of one output may not lie among another's, nor among what the aggregator keeps for itself.
std::optional<config::Problem> checkDirectories(const AggregatorConfig& c) {
  std::vector<std::string> taken;
  for (const char* own : {"/queue", "/ledger", "/outputs", "/quarantine"}) {
    taken.push_back(c.data.dir + own);
  }
  for (const auto& output : c.outputs) {
    if (output.type != outputs::fileSettingsTable().spec()->name) continue;
    const auto& files = static_cast<const outputs::FileSettings&>(*output.settings);
    for (const std::string& other : taken) {
      if (!overlap(files.directory, other)) continue;
      return config::Problem{"outputs." + output.id + ".directory", files.directory,
                             "a directory of its own, neither in " + other + " nor around it"};
    }
    taken.push_back(files.directory);
  }
  return std::nullopt;
}

std::optional<config::Problem> checkCertificates(const ServerTlsConfig& tls) {
  if (tls.dir.empty()) return std::nullopt;
  const base::Status status = net::checkTlsDirectory(tls.dir, net::TlsSide::kServer);
  if (status.ok()) return std::nullopt;
  return config::Problem{
      "tls.dir", tls.dir,
      "a directory with usable ca.crt, tls.crt and tls.key; " + status.message()};
}

std::optional<config::Problem> checkMemory(const AggregatorConfig& c) {
  const uint64_t needed = outputsMemory(c);
  if (needed <= c.memory.count / 2) return std::nullopt;
  return config::Problem{"memory", base::formatBytes(c.memory),
                         "at least " + base::formatBytes(base::roundUp({2 * needed}, 1_MB)) +
                             ": outputs have half of it, and these take up to " +
                             base::formatBytes(base::roundUp({needed}, 1_MB))};
}

bool isLoopback(const std::string& address) {
  const auto parsed = net::parseHostPort(address);
  return parsed.ok() && net::isLoopback(parsed->host);
}

}  // namespace

uint64_t outputsMemory(const AggregatorConfig& config) {
  uint64_t sum = 0;
  for (const auto& output : config.outputs) {
    sum += outputs::BatchLimits{}.memoryBytes() + output.settings->memoryBytes();
  }
  return sum;
}

config::Table<AggregatorConfig> aggregatorTable(
    const config::Variants<outputs::OutputSettings>& outputTypes) {
  config::Table<DataConfig> data("data", "What the aggregator must not forget.");
  data.value("dir", &DataConfig::dir,
             "Directory of queue, ledger, cursors and quarantine; one process only.")
      .range(1, 4096);
  config::Table<ListenConfig> http("http", "Metrics, health, audit and administration.");
  http.value("listen", &ListenConfig::listen,
             "Address of /metrics, /livez, /readyz and /v1/; port 0 takes a free one.");
  config::Table<ServerTlsConfig> tls("tls", "Certificates for the way from the agents.");
  tls.value("dir", &ServerTlsConfig::dir,
            "Directory with ca.crt, tls.crt and tls.key, read again when they change; agents must "
            "then have certificates from ca.crt, which name their nodes. Empty: no TLS.");

  config::Table<AggregatorConfig> table("aggregator", "logtail-aggregator.");
  table.value("listen", &AggregatorConfig::listen, "Address for agents; port 0 takes a free one.");
  table.table("http", &AggregatorConfig::http, "Metrics, health, audit and administration.", http);
  table.table("data", &AggregatorConfig::data, "What the aggregator must not forget.", data);
  table.table("queue", &AggregatorConfig::queue, "Where lines are durable.", queueTable());
  table.table("tls", &AggregatorConfig::tls, "Certificates for the way from the agents.", tls);
  table.value(
      "insecure", &AggregatorConfig::insecure,
      "Allows `listen` to be no loopback address without TLS: whoever reaches it may send as any "
      "node. With `tls.dir` it has no effect.");
  table
      .value("memory", &AggregatorConfig::memory,
             "Byte budget: one half for ledger and frames under way, one half for the outputs.")
      .range(160_MB, 1024_GB);
  table.choice("ack_after", &AggregatorConfig::ackAfter,
               "What must be durable before a frame is acknowledged.",
               {{"queue", AckAfter::kQueue}});
  table
      .value("snapshot_interval", &AggregatorConfig::snapshotInterval,
             "How often the ledger's snapshot is written, if anything came in.")
      .range(100ms, 10min);
  table
      .value("drain_timeout", &AggregatorConfig::drainTimeout,
             "How long a stop waits for agents' sessions to end, and then as long for the outputs.")
      .range(0s, 10min);
  table.variants("outputs", &AggregatorConfig::outputs,
                 "Where records go; the key is the output's id.", outputTypes);
  table.rule([](const AggregatorConfig& c) -> std::optional<config::Problem> {
    if (!net::parseHostPort(c.listen).ok())
      return config::Problem{"listen", c.listen, net::kHostPortForm};
    if (!net::parseHostPort(c.http.listen).ok()) {
      return config::Problem{"http.listen", c.http.listen, net::kHostPortForm};
    }
    if (c.tls.dir.empty() && !c.insecure && !isLoopback(c.listen)) {
      return config::Problem{"listen", c.listen,
                             "a loopback address, or tls.dir, or insecure: true"};
    }
    if (auto problem = checkMemory(c)) return problem;
    if (auto problem = checkCertificates(c.tls)) return problem;
    return checkDirectories(c);
  });
  return table;
}

}  // namespace logtail::aggregator
