// logtail-crash: kills agent and aggregator at random moments; then each line must be there once.
// Exit 0 passed, 1 failed, 2 usage.

#include <signal.h>

#include <cstdio>

#include "bench/crash/crash_run.h"
#include "tests/support/temp_dir.h"

namespace {

void print(const logtail::bench::CrashOptions& options, const logtail::bench::CrashResult& result) {
  std::printf(
      "logtail-crash: seed %llu, %.0f s, %u pods; agent killed %u times%s, aggregator %u "
      "times; audit exit %d\n",
      static_cast<unsigned long long>(options.seed),
      std::chrono::duration<double>(options.time).count(), options.pods, result.agentKills,
      options.deleteAgentState ? " (its state deleted once)" : "", result.aggregatorKills,
      result.auditCode);
  if (result.failures.empty()) std::printf("  %s", result.report.toString().c_str());
  for (const std::string& failure : result.failures) {
    std::printf("FAILED: %s\n", failure.c_str());
  }
  std::printf("logtail-crash: %s\n", result.failures.empty() ? "passed" : "FAILED");
}

}  // namespace

int main(int argc, char** argv) {
  auto options = logtail::bench::parseCrashOptions(argc, argv);
  if (!options.ok()) {
    if (options.message().empty()) return 0;
    std::fprintf(stderr, "logtail-crash: %s\n", options.message().c_str());
    return 2;
  }
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  logtail::test::TempDir directory(options->base);
  if (options->keepDir) {
    directory.keep();
    std::printf("logtail-crash: in %s\n", directory.path().c_str());
    std::fflush(stdout);
  }
  logtail::bench::CrashResult result;
  {
    logtail::bench::CrashRun run(*options, directory.path());
    result = run.run();
  }
  print(*options, result);
  return result.failures.empty() ? 0 : 1;
}
