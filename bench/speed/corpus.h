#pragma once
// The log a node would have: CRI lines of one kind, the same for the same seed.

#include <cstdint>
#include <string>

namespace logtail::bench {

enum class CorpusKind { kText, kJson };
const char* name(CorpusKind kind);

struct Corpus {
  std::string path;  // of the log file
  std::string root;  // has containers/ and pods/
  uint64_t bytes = 0;
  uint64_t lines = 0;
  std::string messages;      // a sample: the messages of its first lines, one after another
  uint64_t sampleBytes = 0;  // raw bytes those lines take in the file
};

// Writes a pod with one log of about `bytes` below `root`.
Corpus makeCorpus(CorpusKind kind, const std::string& root, uint64_t bytes);

}  // namespace logtail::bench
