#pragma once
// A configuration that uses every kind of field, for the tests and the fuzzer of common/config.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/config/config.h"

namespace logtail::config::sample {

using namespace std::chrono_literals;
using namespace base::literals;

enum class Start { kTail, kHead };

struct Tls {
  std::string dir;
  std::chrono::seconds reload{60};
};

struct Rule {
  std::string match;
  bool drop = false;
};

struct Output {
  virtual ~Output() = default;
  uint32_t retries = 3;
};
struct Padding {
  virtual ~Padding() = default;
  int unused = 0;
};
// Output is not the first base, so that a wrong cast between them shows.
struct FileOutput : Padding, Output {
  std::string path = "/data";
  base::Bytes rotate = 100_MB;
};
struct StdoutOutput : Output {};

struct Sample {
  std::string cluster;
  base::Bytes memory = 64_MB;
  std::chrono::nanoseconds flush = 500ms;
  Start start = Start::kTail;
  uint16_t port = 24300;
  int64_t offset = 0;
  double ratio = 0.5;
  bool insecure = false;
  std::optional<std::string> zone;
  std::string password;
  std::vector<std::string> aggregators{"localhost:24300"};
  std::map<std::string, std::string> labels;
  Tls tls;
  std::vector<Rule> rules;
  std::map<std::string, Tls> peers;
  std::vector<Chosen<Output>> outputs;
};

inline Table<Tls> tlsTable() {
  Table<Tls> table("tls", "Certificates.");
  table.value("dir", &Tls::dir, "Directory of the certificates.");
  table.value("reload", &Tls::reload, "How often they are read again.").range(1s, 24h);
  return table;
}

inline Variants<Output> outputVariants() {
  Table<Output> common("output", "What every output has.");
  common.value("retries", &Output::retries, "Attempts before an error is counted.").range(0, 10);
  Table<FileOutput> file("file", "Writes files.");
  file.include(common);
  file.value("path", &FileOutput::path, "Where the files are.").atLeast(1);
  file.value("rotate", &FileOutput::rotate, "Size of one file.").atLeast(1_MB);
  Table<StdoutOutput> out("stdout", "Writes lines to standard output.");
  out.include(common);
  Variants<Output> variants;
  variants.add(file);
  variants.add(out);
  return variants;
}

inline Table<Sample> sampleTable() {
  Table<Rule> rule("rule", "One rule.");
  rule.value("match", &Rule::match, "A regular expression.").required();
  rule.value("drop", &Rule::drop, "Drops what matches.");

  Table<Sample> table("sample", "All kinds of fields.");
  table.value("cluster", &Sample::cluster, "Name of the cluster.").required().range(1, 20);
  table.value("memory", &Sample::memory, "Memory budget.").range(16_MB, 4_GiB);
  table.value("flush", &Sample::flush, "Age at which a block is sent.").range(1ms, 10s);
  table.choice("start", &Sample::start, "Where a new file is read from.",
               {{"tail", Start::kTail}, {"head", Start::kHead}});
  table.value("port", &Sample::port, "Port.");
  table.value("offset", &Sample::offset, "Any integer.");
  table.value("ratio", &Sample::ratio, "A share.").range(0, 1);
  table.value("insecure", &Sample::insecure, "No TLS | plain.");
  table.value("zone", &Sample::zone, "Zone of the node.");
  table.value("password", &Sample::password, "Secret.").secret().range(0, 8);
  table.list("aggregators", &Sample::aggregators, "Where blocks go.").range(1, 255).count(1, 4);
  table.map("labels", &Sample::labels, "Labels of every record.");
  table.table("tls", &Sample::tls, "Certificates.", tlsTable());
  table.tables("rules", &Sample::rules, "Rules, in order.", rule);
  table.tableMap("peers", &Sample::peers, "Peers by id.", tlsTable());
  table.variants("outputs", &Sample::outputs, "Outputs by id.", outputVariants());
  table.rule([](const Sample& c) -> std::optional<Problem> {
    if (c.insecure && !c.tls.dir.empty())
      return Problem{"tls.dir", c.tls.dir, "no directory with insecure: true"};
    if (c.port == 1000 && c.memory < 100_MB)
      return Problem{"memory", base::formatBytes(c.memory), "at least 100MB with port: 1000"};
    if (c.port == 1001) return Problem{"aggregators", "\"two\"", "other aggregators"};
    if (c.port == 1002) return Problem{"aggregators[1]", c.aggregators.at(1), "another aggregator"};
    if (c.port == 1003) return Problem{"peers.a.b.dir", c.peers.at("a.b").dir, "another directory"};
    if (c.port == 1004) return Problem{"password", c.password, "another password"};
    if (c.port == 1005) return Problem{"tls.reload", "1m", "another duration"};
    return std::nullopt;
  });
  return table;
}

}  // namespace logtail::config::sample
