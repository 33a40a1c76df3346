#pragma once
// /metrics, /livez and /readyz, the same in every program.
//
// A health check answers about this process alone, never about the API server, outputs or peers: a
// fault there must not take every pod out of service at once. Checks run on the server's thread and
// must be quick. `?verbose` lists each check; otherwise the body is "ok" or the failing ones.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/metrics/registry.h"
#include "common/net/http_server.h"

namespace logtail::net {

// Named checks; each gives nothing when well, else one line of what is wrong.
class HealthChecks {
 public:
  using Check = std::function<std::optional<std::string>()>;
  void add(std::string name, Check check) {
    checks_.emplace_back(std::move(name), std::move(check));
  }

  HttpResponse respond(bool verbose) const;  // 200 or 503

 private:
  std::vector<std::pair<std::string, Check>> checks_;
};

// The references must outlive the server.
void addStandardEndpoints(HttpServer& server, const metrics::Registry& registry,
                          const HealthChecks& live, const HealthChecks& ready);

}  // namespace logtail::net
