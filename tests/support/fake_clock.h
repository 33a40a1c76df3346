#pragma once
// A clock that tests own: it moves when told to. Any thread.

#include <atomic>
#include <chrono>

#include "common/base/clock.h"

namespace logtail::test {

class FakeClock final : public base::Clock {
 public:
  static constexpr int64_t kStart = 1'700'000'000'000'000'000;  // 2023-11-14T22:13:20Z

  int64_t wallNanos() const override { return wall_.load(); }
  base::Nanos steady() const override { return base::Nanos(steady_.load()); }

  // Time passes, on both clocks.
  void advance(base::Nanos by) {
    wall_ += by.count();
    steady_ += by.count();
  }
  // Somebody sets the wall clock, either way.
  void setWallNanos(int64_t nanos) { wall_ = nanos; }

 private:
  std::atomic<int64_t> wall_{kStart};
  std::atomic<int64_t> steady_{1'000'000'000};
};

}  // namespace logtail::test
