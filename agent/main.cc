// logtail-agent: see README.md in this directory.
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "agent/agent_app.h"
#include "common/base/directory_lock.h"
#include "common/base/log.h"

namespace {

using namespace logtail;

constexpr int kExitConfig = 2;

// Every stream holds its file open: as many descriptors as the machine allows.
void raiseDescriptorLimit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) base::logWarn("agent: cannot raise RLIMIT_NOFILE");
}

sigset_t blockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);  // the terminal went: as the others
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  return signals;
}

int run(const agent::AgentConfig& config) {
  const sigset_t signals = blockSignals();
  raiseDescriptorLimit();
  // Few arenas: worker, network and checkpoint threads free what others allocated.
  ::mallopt(M_ARENA_MAX, 2);
  const auto lock = base::DirectoryLock::acquire(config.state.dir);
  if (!lock.ok()) {
    std::fprintf(stderr, "logtail-agent: %s\n", lock.message().c_str());
    return kExitConfig;
  }
  agent::AgentApp app(config, base::posixFileSystem(), base::systemClock());
  const base::Status started = app.start();
  if (!started.ok()) {
    std::fprintf(stderr, "logtail-agent: %s\n", started.message().c_str());
    return kExitConfig;
  }
  int signal = 0;
  sigwait(&signals, &signal);
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
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return cli.exit(error) == 0 ? 0 : kExitConfig;
  }
  const auto table = logtail::agent::agentTable();
  if (printDocs) {
    std::fputs(logtail::config::documentation(*table.spec()).c_str(), stdout);
    return 0;
  }
  const auto config = logtail::config::load(table, path, logtail::base::posixFileSystem());
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", config.message().c_str());
    return kExitConfig;
  }
  if (validate->parsed()) {
    std::printf("%s: ok\n", path.c_str());
    return 0;
  }
  return run(*config);
}
