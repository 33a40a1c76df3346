// logtail-aggregator: see README.md in this directory.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "aggregator/aggregator_app.h"
#include "aggregator/output_types.h"
#include "common/base/directory_lock.h"
#include "common/base/log.h"
#include "common/base/process.h"

namespace {

using namespace logtail;

int run(const aggregator::AggregatorConfig& config, const outputs::OutputRegistry& registry) {
  base::blockStopSignals();
  base::raiseDescriptorLimit("aggregator");
  ::mallopt(M_ARENA_MAX, 4);
  // A frame's memory comes and goes a hundred times a second: giving it back to the kernel between
  // two frames costs a page fault for each of its pages.
  ::mallopt(M_MMAP_THRESHOLD, 2 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 8 * 1024 * 1024);
  const auto lock = base::DirectoryLock::acquire(config.data.dir);
  if (!lock.ok()) {
    std::fprintf(stderr, "logtail-aggregator: %s\n", lock.message().c_str());
    return base::kExitFixInput;
  }
  aggregator::AggregatorApp app(config, registry, base::posixFileSystem(), base::systemClock());
  const base::Status started = app.start();
  if (!started.ok()) {
    std::fprintf(stderr, "logtail-aggregator: %s\n", started.message().c_str());
    return base::kExitFixInput;
  }
  base::waitForStop();
  base::logInfo("aggregator: draining");
  app.stop();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli("logtail-aggregator: makes agents' blocks durable and hands them to outputs");
  std::string path = "/etc/logtail/aggregator.yaml";
  cli.add_option("--config", path, "configuration file");
  bool printDocs = false;
  cli.add_flag("--print-config-docs", printDocs, "print the configuration's documentation");
  CLI::App* validate = cli.add_subcommand("validate", "check the configuration and exit");
  validate->fallthrough();  // --config may stand behind it
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? 0 : logtail::base::kExitFixInput;
  }
  const logtail::outputs::OutputRegistry registry = logtail::aggregator::outputTypes();
  const auto table = logtail::aggregator::aggregatorTable(registry.types());
  if (printDocs) {
    std::fputs(logtail::config::documentation(*table.spec()).c_str(), stdout);
    return 0;
  }
  const auto config = logtail::config::load(table, path, logtail::base::posixFileSystem());
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", config.message().c_str());
    return logtail::base::kExitFixInput;
  }
  if (validate->parsed()) {
    std::printf("%s: ok\n", path.c_str());
    return 0;
  }
  return run(*config, registry);
}
