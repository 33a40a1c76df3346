#include "common/base/clock.h"

namespace logtail::base {
namespace {

class SystemClock final : public Clock {
 public:
  int64_t wallNanos() const override {
    return std::chrono::duration_cast<Nanos>(std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  Nanos steady() const override {
    return std::chrono::duration_cast<Nanos>(std::chrono::steady_clock::now().time_since_epoch());
  }
};

}  // namespace

Clock& systemClock() {
  static SystemClock clock;
  return clock;
}

}  // namespace logtail::base
