#include "outputs/output.h"

namespace logtail::outputs {

Delivery& Delivery::operator=(Delivery&& other) noexcept {
  if (this == &other) return *this;
  if (fire_) retry("replaced before it was finished");
  fire_ = std::exchange(other.fire_, nullptr);
  return *this;
}

Delivery::~Delivery() {
  if (fire_) retry("let go before it was finished");
}

void Delivery::fire(Outcome outcome) {
  const Fire once = std::exchange(fire_, nullptr);
  LOGTAIL_ASSERT(once != nullptr);
  once(std::move(outcome));
}

void Delivery::delivered(std::vector<std::pair<event::StreamKey, Tally>> written) {
  fire({Outcome::Kind::kDelivered, {}, std::move(written)});
}
void Delivery::retry(std::string reason) {
  fire({Outcome::Kind::kRetry, std::move(reason), {}});
}

}  // namespace logtail::outputs
