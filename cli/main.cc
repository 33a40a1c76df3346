// logtail: a person's view of the logs of a cluster. See README.md in this directory.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "cli/commands.h"
#include "common/base/units.h"

namespace {

constexpr char kVersion[] = "logtail 0.1.0";

// "http://host:port" from what a person types: "host:port" or a whole URL.
std::string urlOf(std::string text) {
  if (text.find("://") == std::string::npos) text.insert(0, "http://");
  while (text.ends_with('/')) text.pop_back();
  return text;
}

bool isNodeName(const std::string& name) {
  return !name.empty() && name.find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789-._") == std::string::npos;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace logtail;
  CLI::App app("logtail: logs of a Kubernetes cluster, every line accounted for");
  app.set_version_flag("-v,--version", kVersion);
  app.require_subcommand(1);
  std::string aggregator = "http://127.0.0.1:8686";

  CLI::App* audit =
      app.add_subcommand("audit", "is every byte accounted for? exit 0 yes, 1 no, 3 not yet known");
  cli::AuditOptions auditOptions;
  std::string wait = "0";
  audit->add_option("--aggregator", aggregator, "address of the aggregator's HTTP port");
  audit->add_option("--wait", wait, "how long to wait for what is under way, e.g. 60s");
  audit->add_flag("--json", auditOptions.json, "print the aggregator's answer as it is");
  audit->add_flag("--streams", auditOptions.streams, "every stream's own figures, too");

  CLI::App* admin = app.add_subcommand("admin", "what an administrator does");
  admin->require_subcommand(1);
  CLI::App* forget = admin->add_subcommand(
      "forget-node", "book what a node that will not come back still had as lost");
  cli::ForgetNodeOptions forgetOptions;
  forget->add_option("node", forgetOptions.node, "the node's name")->required();
  forget->add_option("--aggregator", aggregator, "address of the aggregator's HTTP port");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : cli::kExitUsage;
  }
  if (audit->parsed()) {
    const auto parsed = base::parseDuration(wait);
    if (!parsed) {
      std::fprintf(stderr, "logtail: --wait \"%s\": expected a duration such as 60s\n",
                   wait.c_str());
      return cli::kExitUsage;
    }
    auditOptions.wait = *parsed;
    auditOptions.aggregator = urlOf(aggregator);
    return cli::runAudit(auditOptions);
  }
  if (!isNodeName(forgetOptions.node)) {
    std::fprintf(stderr, "logtail: \"%s\": expected a node's name\n", forgetOptions.node.c_str());
    return cli::kExitUsage;
  }
  forgetOptions.aggregator = urlOf(aggregator);
  return cli::runForgetNode(forgetOptions);
}
