// logtail-bench: what each stage makes of a core, beside what the core can do at all.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "bench/speed/pipeline.h"
#include "bench/speed/steady.h"
#include "common/base/units.h"

namespace {

using namespace logtail;
using namespace logtail::bench;

void print(const char* what, const Figure& figure, const Figure* limit = nullptr) {
  std::printf("  %-44s %8.0f MB/CPU-s", what, figure.megabytesPerSecond());
  if (limit != nullptr && limit->megabytesPerSecond() > 0) {
    std::printf("   %5.1f %% of its limit",
                100 * figure.megabytesPerSecond() / limit->megabytesPerSecond());
  }
  std::printf("\n");
  std::fflush(stdout);
}

std::string ownDirectory() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}

// The better of several: what a noisy machine takes away is not the program's.
template <typename Measure>
auto best(unsigned runs, const Measure& measureOnce) {
  auto kept = measureOnce();
  for (unsigned i = 1; i < runs; ++i) {
    const auto next = measureOnce();
    if (next.megabytesPerSecond() > kept.megabytesPerSecond()) kept = next;
  }
  return kept;
}

// Several runs of the programs, each figure the better of them.
PipelineRun bestRun(unsigned runs, const Corpus& corpus, const PipelineOptions& options) {
  PipelineRun kept = runPipeline(corpus, options);
  for (unsigned i = 1; i < runs && kept.ok; ++i) {
    const PipelineRun next = runPipeline(corpus, options);
    if (!next.ok) return next;
    if (next.agent.cpuSeconds < kept.agent.cpuSeconds) kept.agent = next.agent;
    if (next.aggregator.megabytesPerSecond() > kept.aggregator.megabytesPerSecond()) {
      kept.aggregator = next.aggregator;
    }
    kept.wallSeconds = std::min(kept.wallSeconds, next.wallSeconds);
  }
  return kept;
}

void printSyncs(const char* what, const PipelineRun& synced, const PipelineRun& unsynced) {
  std::printf("  %s: %.2f s against %.2f s without (%+.1f %%), CPU of both %.2f s against %.2f s\n",
              what, synced.wallSeconds, unsynced.wallSeconds,
              100 * (synced.wallSeconds / unsynced.wallSeconds - 1),
              synced.agent.cpuSeconds + synced.aggregator.cpuSeconds,
              unsynced.agent.cpuSeconds + unsynced.aggregator.cpuSeconds);
}

// What it costs to sync before the acknowledgement, on this disk and on one that takes 5 ms more.
int compareSyncs(unsigned runs, const Corpus& corpus, PipelineOptions options,
                 const PipelineRun& durable) {
  options.slowSyncMicros = 5000;
  const PipelineRun slow = bestRun(runs, corpus, options);
  options.slowSyncMicros = 0;
  options.sync = false;
  const PipelineRun unsynced = bestRun(runs, corpus, options);
  if (!unsynced.ok || !slow.ok) return 1;
  printSyncs("fdatasync before ack", durable, unsynced);
  printSyncs("the same, 5 ms added to each", slow, unsynced);
  return 0;
}

int measureSteady(const std::string& directory, unsigned pods, unsigned rate, unsigned seconds) {
  const SteadyRun run = runSteady(ownDirectory(), directory + "/steady", pods, rate, seconds);
  if (!run.ok) {
    std::fprintf(stderr, "logtail-bench: %s\n", run.why.c_str());
    return 1;
  }
  std::printf("agent, %u pods, %u lines/s: %.2f %% of a core, RSS %.1f MB", pods, rate,
              100 * run.cpuShare, run.rssMegabytes);
  if (rate > 0) {
    std::printf(", write() to durable p50 <= %.1f ms, p99 <= %.1f ms", run.p50Millis,
                run.p99Millis);
  }
  std::printf("\n");
  return 0;
}

int measure(CorpusKind kind, const std::string& directory, uint64_t bytes, unsigned runs) {
  const Corpus corpus = makeCorpus(kind, directory + "/" + name(kind), bytes);
  std::printf("%s: %.0f MB, %llu lines, %.0f bytes a line\n", name(kind), corpus.bytes / 1e6,
              static_cast<unsigned long long>(corpus.lines),
              static_cast<double>(corpus.bytes) / static_cast<double>(corpus.lines));
  limitPread(corpus);  // warms the page cache
  print("limit: pread", best(runs, [&] { return limitPread(corpus); }));
  print("limit: newline search", best(runs, [&] { return limitNewlines(corpus); }));
  const Figure zstd = best(runs, [&] { return limitZstd(corpus); });
  print("limit: zstd -1 of the messages", zstd);
  print("agent: read + split + join to nothing",
        best(runs, [&] { return agentToNothing(corpus); }));
  PipelineOptions options{ownDirectory(), directory + "/run", true};
  const PipelineRun durable = bestRun(runs, corpus, options);
  if (!durable.ok) {
    std::fprintf(stderr, "logtail-bench: %s\n", durable.why.c_str());
    return 1;
  }
  print("agent: whole, acknowledged durable", durable.agent, &zstd);
  const auto wire = static_cast<uint64_t>(durable.aggregator.bytes);
  // Short, and up to twice as slow when both its threads share a core: more tries.
  const Figure receive = best(5 * runs, [&] { return limitReceive(directory, wire, 48 * 1024); });
  print("limit: recv + CRC + write (wire bytes)", receive);
  print("aggregator: receive + ledger + durable append", durable.aggregator, &receive);
  options.tls = true;
  const PipelineRun secret = bestRun(runs, corpus, options);
  if (!secret.ok) {
    std::fprintf(stderr, "logtail-bench: over TLS: %s\n", secret.why.c_str());
    return 1;
  }
  print("agent, over TLS", secret.agent, &zstd);
  print("aggregator, over TLS", secret.aggregator, &receive);
  options.tls = false;
  return compareSyncs(runs, corpus, options, durable);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("logtail-bench: MB (10^6 bytes) per CPU-second, user and system");
  std::string size = "1GiB";
  std::string directory;
  unsigned runs = 3;
  unsigned seconds = 20;
  bool steadyOnly = false;
  app.add_option("--seconds", seconds, "of each steady load")->check(CLI::Range(1, 3600));
  app.add_flag("--steady", steadyOnly, "the steady loads alone");
  app.add_option("--runs", runs, "of each measurement; the best counts")->check(CLI::Range(1, 20));
  app.add_option("--bytes", size, "of each corpus");
  app.add_option("--dir", directory, "where to work; a temporary directory otherwise");
  CLI11_PARSE(app, argc, argv);
  const auto bytes = base::parseBytes(size);
  if (!bytes) {
    std::fprintf(stderr, "logtail-bench: --bytes \"%s\": expected a size such as 1GiB\n",
                 size.c_str());
    return 2;
  }
  namespace fs = std::filesystem;
  const bool temporary = directory.empty();
  if (temporary)
    directory = fs::temp_directory_path() / ("logtail-bench-" + std::to_string(::getpid()));
  fs::create_directories(directory);
  int failed = 0;
  failed |= measureSteady(directory, 50, 0, seconds);
  failed |= measureSteady(directory, 50, 10'000, seconds);
  for (const CorpusKind kind : {CorpusKind::kText, CorpusKind::kJson}) {
    if (steadyOnly) break;
    failed |= measure(kind, directory, bytes->count, runs);
  }
  if (temporary) fs::remove_all(directory);
  return failed;
}
