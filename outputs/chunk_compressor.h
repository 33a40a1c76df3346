#pragma once
// Chunks to whole zstd frames: what ends at a commit can be read by itself. Its owner's thread.

#include <memory>
#include <string>
#include <string_view>

namespace logtail::outputs {

class ChunkCompressor {
 public:
  // Level 0: bytes stay as they are.
  explicit ChunkCompressor(int level);
  ~ChunkCompressor();
  // The stored form of `bytes`; lives until the next call, or as long as `bytes`.
  std::string_view compress(std::string_view bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace logtail::outputs
