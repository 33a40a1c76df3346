#pragma once
// A place in the queue: what cursors hold. Format: docs/wal-format.md, "Position".

#include <compare>
#include <cstdint>
#include <string>

#include "common/base/coding.h"

namespace logtail::wal {

// The first record that is not yet done; unit 0, record 0 is the boundary before an entry.
// Positions of different queue ids cannot be compared.
struct Position {
  uint64_t queueId = 0;
  uint32_t epoch = 0;
  uint64_t sequence = 0;
  uint32_t unit = 0;
  uint32_t record = 0;

  bool operator==(const Position&) const = default;
};

// By sequence, unit, record.
std::strong_ordering order(const Position& a, const Position& b);

void encode(const Position& position, std::string& out);
Position decodePosition(base::Decoder& in);

}  // namespace logtail::wal
