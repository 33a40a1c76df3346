#include "common/wal/position.h"

#include <tuple>

namespace logtail::wal {

std::strong_ordering order(const Position& a, const Position& b) {
  return std::tie(a.sequence, a.unit, a.record) <=> std::tie(b.sequence, b.unit, b.record);
}

void encode(const Position& position, std::string& out) {
  base::putFixed(out, position.queueId);
  base::putFixed(out, position.epoch);
  base::putFixed(out, position.sequence);
  base::putFixed(out, position.unit);
  base::putFixed(out, position.record);
}

Position decodePosition(base::Decoder& in) {
  Position position;
  position.queueId = in.fixed<uint64_t>();
  position.epoch = in.fixed<uint32_t>();
  position.sequence = in.fixed<uint64_t>();
  position.unit = in.fixed<uint32_t>();
  position.record = in.fixed<uint32_t>();
  return position;
}

}  // namespace logtail::wal
