#pragma once
// aggregator.yaml as structs; the table in aggregator_config.cc gives names, documents and bounds.

#include <chrono>
#include <string>
#include <vector>

#include "common/config/config.h"
#include "outputs/settings.h"

namespace logtail::aggregator {

enum class QueueType : uint8_t { kWal };
enum class AckAfter : uint8_t { kQueue };

struct QueueConfig {
  QueueType type = QueueType::kWal;
  base::Bytes size{uint64_t{100} << 30};
  base::Bytes segment{64 << 20};
  std::chrono::nanoseconds retain = std::chrono::hours(24);
  bool sync = true;
};

struct DataConfig {
  std::string dir = "/var/lib/logtail-aggregator";
};

struct ListenConfig {
  std::string listen = "0.0.0.0:8686";
};

struct ServerTlsConfig {
  std::string dir;  // empty: no TLS
};

struct AggregatorConfig {
  std::string listen = "0.0.0.0:24300";
  ListenConfig http;
  DataConfig data;
  QueueConfig queue;
  ServerTlsConfig tls;
  bool insecure = false;
  base::Bytes memory{uint64_t{1} << 30};
  AckAfter ackAfter = AckAfter::kQueue;
  std::chrono::nanoseconds snapshotInterval = std::chrono::seconds(10);
  std::chrono::nanoseconds drainTimeout = std::chrono::seconds(20);
  std::vector<config::Chosen<outputs::OutputSettings>> outputs;
};

// What the outputs reserve at their start; they have half of `memory`.
uint64_t outputsMemory(const AggregatorConfig& config);

config::Table<AggregatorConfig> aggregatorTable(
    const config::Variants<outputs::OutputSettings>& outputTypes);

}  // namespace logtail::aggregator
