#pragma once
// The real programs on a corpus: an aggregator without outputs, an agent, until all is durable.

#include <string>

#include "bench/speed/limits.h"

namespace logtail::bench {

struct PipelineOptions {
  std::string binDirectory;
  std::string workDirectory;  // emptied
  bool sync = true;
  unsigned slowSyncMicros = 0;  // added to each of the aggregator's fdatasync calls
  bool tls = false;             // between agent and aggregator
};

struct PipelineRun {
  bool ok = false;
  std::string why;
  Figure agent;       // raw bytes
  Figure aggregator;  // wire bytes
  double wallSeconds = 0;
};

PipelineRun runPipeline(const Corpus& corpus, const PipelineOptions& options);

}  // namespace logtail::bench
