#pragma once
// FRAME: units under one sequence number, the only message whose payload is not copied or checked
// as a whole. Its CRC covers the head; every unit carries its own. Format: docs/wire-format.md.

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/event/unit.h"
#include "common/wire/message.h"

namespace logtail::wire {

inline constexpr size_t kFrameHeadBytes = 16;
inline constexpr size_t kFramePrefixBytes = kMessageHeaderBytes + kFrameHeadBytes;
inline constexpr size_t kMaxFrameUnitBytes = kMaxPayload - kFrameHeadBytes;
// Every receiver takes frames that hold at least one unit of any size.
inline constexpr size_t kMinMaxFrameBytes = kFrameHeadBytes + event::kMaxUnitBytes;

struct FrameHead {
  uint64_t sequence = 0;  // from 1 within a life
  uint32_t units = 0;     // at least 1
  uint32_t bytes = 0;     // of the units together
  bool operator==(const FrameHead&) const = default;
};

// Message header and head, kFramePrefixBytes at `at`; `head.bytes` of units follow on the wire.
void storeFramePrefix(const FrameHead& head, char* at);

// The head at the front of a payload of `payloadBytes`, its lengths checked against it; kFixInput.
// The CRC is the reader's to check.
base::Result<FrameHead> decodeFrameHead(std::string_view head, size_t payloadBytes);

enum class FrameCheck : uint8_t {
  kGood,
  kDamaged,  // a CRC does not match: the same bytes, sent again, may be good (NACK `damaged`)
  kPoison,   // the bytes are what the agent sent and make no sense: quarantine, acknowledge
};

// Checks the CRC of every unit and parses its headers; `units` (replaced) point into `bytes`.
FrameCheck checkFrame(const FrameHead& head, std::string_view bytes,
                      std::vector<event::UnitView>& units);

// CRC-32C of all the bytes that checkFrame() found good, put together from the units' own.
uint32_t goodFrameCrc(std::string_view bytes);

}  // namespace logtail::wire
