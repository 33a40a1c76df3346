// logtail-agent: see README.md in this directory.
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/agent_app.h"
#include "common/base/directory_lock.h"
#include "common/base/log.h"
#include "common/base/process.h"

namespace {

using namespace logtail;

int run(const agent::AgentConfig& config) {
  base::blockStopSignals();
  base::raiseDescriptorLimit("agent");
  // Few arenas: worker, network and checkpoint threads free what others allocated.
  ::mallopt(M_ARENA_MAX, 2);
  const auto lock = base::DirectoryLock::acquire(config.state.dir);
  if (!lock.ok()) {
    std::fprintf(stderr, "logtail-agent: %s\n", lock.message().c_str());
    return base::kExitFixInput;
  }
  agent::AgentApp app(config, base::posixFileSystem(), base::systemClock());
  const base::Status started = app.start();
  if (!started.ok()) {
    std::fprintf(stderr, "logtail-agent: %s\n", started.message().c_str());
    return base::kExitFixInput;
  }
  base::waitForStop();
  base::logInfo("agent: draining");
  return app.drainAndStop() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli("logtail-agent: reads the logs of a node's containers and ships them");
  std::string path = "/etc/logtail/agent.yaml";
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
  const auto table = logtail::agent::agentTable();
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
  return run(*config);
}
