#pragma once
// Time as the rooms take it: an interface, so that tests own it and a stepped wall clock is a test.

#include <chrono>
#include <cstdint>

namespace logtail::base {

using Nanos = std::chrono::nanoseconds;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wallNanos() const = 0;  // since the Unix epoch; may step either way
  virtual Nanos steady() const = 0;       // never steps back; for time-outs and ages
};

// The machine's clocks; lives as long as the process. Any thread.
Clock& systemClock();

}  // namespace logtail::base
