#include "bench/crash/options.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <string_view>

namespace logtail::bench {
namespace {

void applyShort(CrashOptions& out) {
  out.time = std::chrono::seconds(15);
  out.agentKills = 5;
  out.aggregatorKills = 5;
  out.rate = 30'000;
}

void declare(CLI::App& app, CrashOptions& out, double& seconds, double& downSeconds,
             int64_t& auditSeconds) {
  app.add_flag_function(
      "--short", [](int64_t) {}, "15 s, 5 kills of each, a third of the load: what CI runs");
  app.add_option("--seconds", seconds, "how long podsim writes")->check(CLI::Range(1.0, 86400.0));
  app.add_option("--agent-kills", out.agentKills);
  app.add_option("--aggregator-kills", out.aggregatorKills);
  app.add_option("--longest-down", downSeconds, "seconds that a killed program stays down at most")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_option("--seed", out.seed, "of the moments of the kills and of the lines");
  app.add_option("--pods", out.pods)->check(CLI::Range(1, 10000));
  app.add_option("--rate", out.rate, "lines a second")->check(CLI::Range(1.0, 1e7));
  app.add_option("--partial-fraction", out.partialFraction, "of lines longer than 16 KiB");
  app.add_flag("--delete-agent-state", out.deleteAgentState,
               "deletes the agent's state directory in the middle of the run");
  app.add_flag("--tls", out.tls, "agent and aggregator speak TLS, with certificates of the run");
  app.add_option("--audit-wait", auditSeconds, "seconds the audit may wait for the last delivery");
  app.add_option("--short-lived", out.shortLived, "pods that live 100 ms, spread over the run");
  app.add_option("--long-line", out.longLine, "one line of so many bytes");
  app.add_option("--output-yaml", out.outputYaml, "further keys of the file output");
  app.add_option("--programs", out.programs, "directory of the programs (this one's)");
  app.add_option("--dir", out.base, "where the run's own directory goes ($TMPDIR)");
  app.add_flag("--keep-dir", out.keepDir, "leaves that directory, with the programs' logs");
}

}  // namespace

base::Result<CrashOptions> parseCrashOptions(int argc, const char* const* argv) {
  CrashOptions options;
  std::error_code failed;
  options.programs = std::filesystem::read_symlink("/proc/self/exe", failed).parent_path().string();
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--short") applyShort(options);
  }
  double seconds = std::chrono::duration<double>(options.time).count();
  double downSeconds = std::chrono::duration<double>(options.longestDown).count();
  int64_t auditSeconds = options.auditWait.count();
  CLI::App app("Kills agent and aggregator at random moments, then counts every line.",
               "logtail-crash");
  try {
    declare(app, options, seconds, downSeconds, auditSeconds);
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return base::Error{base::Errc::kFixInput, ""};
  } catch (const std::exception& error) {
    return base::Error{base::Errc::kFixInput, error.what()};
  }
  options.time = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  options.longestDown = std::chrono::milliseconds(static_cast<int64_t>(downSeconds * 1000));
  options.auditWait = std::chrono::seconds(auditSeconds);
  return options;
}

}  // namespace logtail::bench
