#pragma once
// Where tail workers hand their units on: the shipper, or a test.

#include "agent/sealed_unit.h"
#include "common/event/stream.h"

namespace logtail::agent {

// Called by tail workers; any of them, each from its own thread.
class UnitSink {
 public:
  virtual ~UnitSink() = default;
  // Takes the unit, or answers false and leaves it untouched: the way is blocked until the worker's
  // room() is called.
  virtual bool offer(SealedUnit& unit) = 0;
  // Asks the aggregator where the stream stands; the answer comes through TailWorker::resume().
  virtual void announce(const event::StreamDescription& description) = 0;
  // Everything of the stream is acknowledged and no more will come.
  virtual void end(const event::StreamKey& key) = 0;
};

}  // namespace logtail::agent
