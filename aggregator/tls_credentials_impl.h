#pragma once
// The aggregator's certificates: read at the start, and again when they have changed on the disk.
//
// Flow: directory -> TlsCredentials -> TlsGate, which takes the context of the moment for each
// connection; those that are there keep theirs. Owned by the gate; clock and metrics must outlive
// it. Any thread. Failure: at the start kFixInput; later what was good stays in use, counted and
// logged once for each state of the files.

#include <memory>
#include <mutex>
#include <string>

#include "aggregator/intake_metrics.h"
#include "common/base/clock.h"
#include "common/net/tls_impl.h"

namespace logtail::aggregator {

class TlsCredentials {
 public:
  static constexpr base::Nanos kInterval = std::chrono::seconds(1);

  TlsCredentials(std::string directory, const base::Clock& clock, IntakeMetrics& metrics);

  base::Status load();  // once, before anything else
  // Looks at the files first, unless somebody did within kInterval.
  std::shared_ptr<net::TlsContext> current();

 private:
  void lookAgain();
  void use(std::shared_ptr<net::TlsContext> context);

  const std::string directory_;
  const base::Clock& clock_;
  IntakeMetrics& metrics_;
  std::mutex mutex_;
  base::Nanos looked_{};
  uint64_t seen_ = 0;  // hash of what the files held, or of why they could not be read
  std::shared_ptr<net::TlsContext> context_;
};

}  // namespace logtail::aggregator
