#pragma once
// Lines on a descriptor, usually standard output: for a person who watches, or a collector behind.
//
// Flow: OutputRunner -> take() -> bytes -> turn() writes them. Keeps no cursor: the runner does, so
// that a crash repeats at most what it wrote in the last second. A reader that is slow makes it
// wait, never block: the runner's thread stays free to stop. One that is gone (EPIPE) is tried
// again after the back-off. Owned by its runner, on its thread.

#include <deque>
#include <string>
#include <unordered_map>

#include "outputs/json_encoder.h"
#include "outputs/output.h"
#include "outputs/stdout_settings.h"

namespace logtail::outputs {

class StdoutOutput final : public Output {
 public:
  // `fd` stays the caller's and must stay open.
  StdoutOutput(const StdoutSettings& settings, OutputContext context, int fd);

  base::Status start() override;
  void take(BatchPtr batch, Delivery delivery) override;
  std::optional<base::Nanos> turn() override;
  void drain() override;
  void stop() override;
  uint64_t memoryBytes() const override { return settings_.memoryBytes(); }

 private:
  // Held until it is written: so a reader that is slow stops the runner's reading.
  struct Waiting {
    BatchPtr batch;
    Delivery delivery;
    size_t rendered = 0;  // blocks
    std::vector<std::pair<event::StreamKey, Tally>> tallies;
  };
  struct Stream {
    std::shared_ptr<const event::StreamDescription> description;
    std::string prefix;  // of a line of text
    std::string suffix;  // of a line of JSON
  };

  Stream& streamOf(const Block& block);
  void renderNext(Waiting& waiting);
  void renderRecord(const Block& block, const Stream& stream, const event::Record& record,
                    std::string& out);
  bool writeSome(base::Nanos patience);
  void fail(const std::string& why);

  const StdoutSettings settings_;
  const OutputContext context_;
  const int fd_;
  bool colored_ = false;
  JsonEncoder encoder_;
  std::unordered_map<event::StreamKey, Stream, event::StreamKeyHash> streams_;
  std::deque<Waiting> waiting_;
  std::string bytes_;  // of the front's block that is being written
  size_t written_ = 0;
};

}  // namespace logtail::outputs
