#include "aggregator/ledger_types.h"

namespace logtail::aggregator {

void StreamTotals::add(const StreamTotals& other) {
  // One list of counters serves addition, encoding and decoding, so that none is forgotten in one.
  std::array<uint64_t, 64> values{};
  size_t count = 0;
  StreamTotals copy = other;
  copy.visit([&](uint64_t& value) { values[count++] = value; });
  size_t at = 0;
  visit([&](uint64_t& value) { value += values[at++]; });
}

uint64_t StreamTotals::dropBytes() const {
  uint64_t total = 0;
  for (const event::DropCount& drop : drops) total += drop.bytes;
  return total;
}

uint64_t StreamTotals::lostBytes() const {
  uint64_t total = 0;
  for (uint64_t bytes : lost) total += bytes;
  return total;
}

uint64_t StreamState::unfinished() const {
  uint64_t count = 0;
  for (size_t i = 0; i + 1 < resume.generations.size(); ++i) {
    count += resume.generations[i].end ? 0 : 1;
  }
  return count;
}

bool StreamState::operator==(const StreamState& o) const {
  return key == o.key && node == o.node && description == o.description && resume == o.resume &&
         totals == o.totals && life == o.life && ofLife == o.ofLife && agent == o.agent &&
         endedNanos == o.endedNanos && inDoubt == o.inDoubt && rebuilt == o.rebuilt;
}

}  // namespace logtail::aggregator
