#pragma once
// Which aggregator is tried next, and after how long.
//
// Flow: Shipper tells of each connection's beginning and end -> the wait until the next attempt.
// The addresses are tried in turn. Waits double, with jitter, so that a thousand agents do not come
// back at once; they are no longer than half the outage so far, so that a short one stays short.
// Owned by the Shipper; `clock` must outlive it. Thread: the network thread. Nothing fails.

#include <cstddef>
#include <cstdint>

#include "agent/shipper_session.h"
#include "common/base/clock.h"

namespace logtail::agent {

class ReconnectPlan {
 public:
  ReconnectPlan(base::Nanos min, base::Nanos max, base::Clock& clock)
      : min_(min), max_(max), clock_(clock), downSince_(clock.steady()) {}

  // Before the first attempt.
  void start(size_t addresses) {
    addresses_ = addresses;
    downSince_ = clock_.steady();
  }
  size_t address() const { return address_; }

  // A connection is there; `acked` frames were acknowledged before.
  void up(uint64_t acked);
  // It ended, or never came about: the time until the next attempt. `wasOpen`: the aggregator had
  // accepted it.
  base::Nanos down(Outcome::Kind kind, bool wasOpen, uint64_t acked);

 private:
  base::Nanos backOff(Outcome::Kind kind);

  const base::Nanos min_;
  const base::Nanos max_;
  base::Clock& clock_;
  size_t addresses_ = 1;
  size_t address_ = 0;
  base::Nanos upSince_{};
  uint64_t ackedAtUp_ = 0;
  base::Nanos downSince_;  // since the last good connection, or the start
  unsigned failures_ = 0;  // in a row
};

}  // namespace logtail::agent
