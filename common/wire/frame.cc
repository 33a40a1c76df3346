#include "common/wire/frame.h"

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::wire {
namespace {

constexpr size_t kUnitCrcFrom = 8;

}  // namespace

void storeFramePrefix(const FrameHead& head, char* at) {
  char* payload = at + kMessageHeaderBytes;
  base::storeFixed(payload, head.sequence);
  base::storeFixed(payload + 8, head.units);
  base::storeFixed(payload + 12, head.bytes);
  storeMessageHeader(MessageType::kFrame, true, kFrameHeadBytes + head.bytes,
                     {payload, kFrameHeadBytes}, at);
}

base::Result<FrameHead> decodeFrameHead(std::string_view head, size_t payloadBytes) {
  const base::Error malformed{base::Errc::kFixInput, "wire: malformed FRAME"};
  if (head.size() < kFrameHeadBytes || payloadBytes < kFrameHeadBytes) return malformed;
  FrameHead frame;
  frame.sequence = base::loadFixed<uint64_t>(head.data());
  frame.units = base::loadFixed<uint32_t>(head.data() + 8);
  frame.bytes = base::loadFixed<uint32_t>(head.data() + 12);
  if (frame.sequence == 0 || frame.units == 0) return malformed;
  if (frame.bytes > payloadBytes - kFrameHeadBytes) return malformed;
  if (frame.units > frame.bytes / event::kUnitHeaderBytes) return malformed;
  return frame;
}

FrameCheck checkFrame(const FrameHead& head, std::string_view bytes,
                      std::vector<event::UnitView>& units) {
  units.clear();
  FrameCheck check = FrameCheck::kGood;
  for (uint32_t i = 0; i < head.units; ++i) {
    // Only what the unit's CRC confirms is the agent's doing, its length included.
    if (bytes.size() < event::kUnitHeaderBytes) return FrameCheck::kDamaged;
    const auto size = base::loadFixed<uint32_t>(bytes.data());
    if (size < event::kUnitHeaderBytes || size > bytes.size()) return FrameCheck::kDamaged;
    const auto crc = base::loadFixed<uint32_t>(bytes.data() + 4);
    const std::string_view unit = bytes.substr(0, size);
    if (base::crc32c(unit.substr(kUnitCrcFrom)) != crc) return FrameCheck::kDamaged;
    auto view = event::UnitView::parse(unit);
    if (view.ok()) {
      units.push_back(std::move(*view));
    } else {
      check = FrameCheck::kPoison;
    }
    bytes.remove_prefix(size);
  }
  return bytes.empty() ? check : FrameCheck::kPoison;
}

uint32_t goodFrameCrc(std::string_view bytes) {
  uint32_t crc = 0;
  while (!bytes.empty()) {
    const auto size = base::loadFixed<uint32_t>(bytes.data());
    crc = base::crc32c(bytes.substr(0, kUnitCrcFrom), crc);
    crc = base::crc32cOf(crc, base::loadFixed<uint32_t>(bytes.data() + 4), size - kUnitCrcFrom);
    bytes.remove_prefix(size);
  }
  return crc;
}

}  // namespace logtail::wire
