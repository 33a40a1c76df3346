#include "common/net/standard_endpoints.h"

namespace logtail::net {

HttpResponse HealthChecks::respond(bool verbose) const {
  HttpResponse response;
  std::string failed;
  std::string all;
  for (const auto& [name, check] : checks_) {
    const std::optional<std::string> wrong = check();
    const std::string line =
        wrong ? "[-]" + name + " failed: " + *wrong + "\n" : "[+]" + name + " ok\n";
    all += line;
    if (wrong) failed += line;
  }
  response.status = failed.empty() ? 200 : 503;
  if (verbose) {
    response.body = all + (failed.empty() ? "passed\n" : "failed\n");
  } else {
    response.body = failed.empty() ? "ok\n" : failed;
  }
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

void addStandardEndpoints(HttpServer& server, const metrics::Registry& registry,
                          const HealthChecks& live, const HealthChecks& ready) {
  server.handle("GET", "/metrics", [&registry](const HttpRequest&) {
    HttpResponse response;
    response.contentType = metrics::Registry::kContentType;
    response.body = registry.render();
    return response;
  });
  const auto health = [&server](const char* path, const HealthChecks& checks) {
    server.handle("GET", path, [&checks](const HttpRequest& request) {
      return checks.respond(request.query.contains("verbose"));
    });
  };
  health("/livez", live);
  health("/readyz", ready);
}

}  // namespace logtail::net
