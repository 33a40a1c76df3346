#include "agent/reconnect_plan.h"

#include <algorithm>

#include "common/base/random.h"

namespace logtail::agent {
namespace {

constexpr base::Nanos kSettled = std::chrono::seconds(1);  // after this a connection was a good one

}  // namespace

void ReconnectPlan::up(uint64_t acked) {
  upSince_ = clock_.steady();
  ackedAtUp_ = acked;
}

base::Nanos ReconnectPlan::down(Outcome::Kind kind, bool wasOpen, uint64_t acked) {
  if (!wasOpen) address_ = (address_ + 1) % addresses_;
  if (wasOpen && (acked > ackedAtUp_ || clock_.steady() - upSince_ >= kSettled)) {
    failures_ = 0;
    downSince_ = clock_.steady();
  }
  return backOff(kind);
}

base::Nanos ReconnectPlan::backOff(Outcome::Kind kind) {
  if (kind == Outcome::Kind::kReconnect) return base::Nanos(0);
  base::Nanos delay = max_;
  if (kind != Outcome::Kind::kRefused) {
    delay = std::min(max_, min_ * (int64_t{1} << std::min(failures_, 20u)));
    delay = std::min(delay, std::max(min_, (clock_.steady() - downSince_) / 2));
    ++failures_;
  }
  const auto jitter = static_cast<int64_t>(base::randomId() % 1024);
  return delay / 2 + delay * jitter / 2048;
}

}  // namespace logtail::agent
