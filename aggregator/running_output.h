#pragma once
// One configured output as the aggregator runs it: the runner with what audit and retention ask.
//
// Owned by AggregatorApp; queue, file system and clock outlive it. Any thread.

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "outputs/progress.h"

namespace logtail::aggregator {

class RunningOutput {
 public:
  virtual ~RunningOutput() = default;
  virtual const std::string& id() const = 0;
  virtual outputs::Progress progress() const = 0;
  // Every entry up to here is done.
  virtual uint64_t delivered() const = 0;
  virtual bool fromOldest() const = 0;
  // The queue is full: an output that may drop the oldest gives up what is at or before `through`.
  virtual void makeRoom(uint64_t through) = 0;
  // Waits until it has caught up with the durable mark, at most until `deadline` (steady).
  virtual void drain(base::Nanos deadline) = 0;
  virtual void stop() = 0;
};

}  // namespace logtail::aggregator
