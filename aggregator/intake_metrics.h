#pragma once
// What receiving counts; handles into the program's registry, which must outlive it. Any thread.

#include <array>

#include "aggregator/tls_failure.h"
#include "common/metrics/registry.h"
#include "common/wire/messages.h"

namespace logtail::aggregator {

struct IntakeMetrics {
  explicit IntakeMetrics(metrics::Registry& registry);

  metrics::Counter& frames;
  metrics::Counter& frameBytes;  // of units, as they came over the wire
  metrics::Counter& framesResent;
  metrics::Counter& blocks;
  metrics::Counter& records;
  metrics::Counter& recordBytes;  // raw bytes of the records
  metrics::Counter& gaps;
  metrics::Counter& repeats;
  metrics::Counter& forbidden;
  metrics::Counter& poison;
  metrics::Counter& statsDropped;
  metrics::Counter& sessions;
  metrics::Gauge& connections;
  metrics::Counter& connectionsRefused;
  metrics::Counter& malformed;  // connections closed for what they sent
  metrics::Gauge& tlsPending;   // connections that have proved nothing yet
  metrics::Counter& tlsReloads;
  metrics::Counter& tlsReloadFailures;
  metrics::Gauge& tlsCertificateEnd;  // seconds since the Unix epoch; 0 without TLS
  // From the runtime's time stamp of a frame's oldest record to its durability; clocks of two
  // machines differ, so below their difference it tells nothing; a line that its program writes in
  // parts counts from the first.
  metrics::Histogram& durableLatency;
  std::array<metrics::Counter*, wire::kNackReasons> nacks{};
  std::array<metrics::Counter*, kTlsFailures> tlsFailures{};
};

}  // namespace logtail::aggregator
