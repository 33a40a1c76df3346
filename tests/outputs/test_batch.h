#pragma once
// Batches as a test writes them, and the queue they come from: batch n is always the same bytes.

#include <deque>
#include <string>
#include <vector>

#include "common/base/checksum.h"
#include "outputs/batch.h"

namespace logtail::outputs {

class TestBatch final : public Batch {
 public:
  static constexpr uint64_t kQueue = 7;

  // The batch of the queue's entry `sequence`; its cursor is behind that entry.
  explicit TestBatch(uint64_t sequence) {
    before = {kQueue, 1, sequence, 0, 0};
    after = {kQueue, 1, sequence + 1, 0, 0};
  }

  struct Line {
    std::string message;
    int64_t timeNanos = 1'700'000'000'000'000'000;
    uint8_t flags = 0;
  };

  // One block; offsets go on from `offset`.
  TestBatch& add(const std::shared_ptr<const event::StreamDescription>& stream, uint64_t offset,
                 const std::vector<Line>& lines, uint32_t blockFlags = 0) {
    auto& records = records_.emplace_back();
    Block block;
    block.stream = stream;
    block.header.stream = stream->key();
    block.header.generation = {99, 1};
    block.header.from = offset;
    block.header.flags = blockFlags;
    const uint64_t seed = event::identitySeed(block.header.stream, block.header.generation);
    for (const Line& line : lines) {
      const std::string& message = messages_.emplace_back(line.message);
      records.push_back({line.timeNanos, offset, block.header.generation, line.flags, message});
      offset += message.size() + 40;
      block.header.recordBytes += message.size() + 40;
      block.header.digest += event::recordDigest(seed, records.back().offset, line.timeNanos,
                                                 line.flags, base::hash64(message));
      rawBytes += message.size();
    }
    block.header.records = static_cast<uint32_t>(records.size());
    block.header.to = offset;
    block.records = records;
    blocks.push_back(block);
    return *this;
  }

 private:
  std::deque<std::vector<event::Record>> records_;
  std::deque<std::string> messages_;
};

inline std::shared_ptr<const event::StreamDescription> testStream(const std::string& pod,
                                                                  const std::string& space = "shop",
                                                                  uint32_t restart = 0) {
  auto stream = std::make_shared<event::StreamDescription>();
  stream->cluster = "c";
  stream->node = "node-1";
  stream->namespaceName = space;
  stream->pod = pod;
  stream->podUid = "uid-" + pod;
  stream->container = "app";
  stream->containerId = "0123456789abcdef";
  stream->restart = restart;
  return stream;
}

}  // namespace logtail::outputs
