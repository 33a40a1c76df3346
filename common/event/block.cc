#include "common/event/block.h"

namespace logtail::event {
namespace {

using base::putFixed;
using base::putVarint;

}  // namespace

const char* name(DropReason reason) {
  switch (reason) {
    case DropReason::kOverLimit:
      return "over_limit";
    case DropReason::kEmptyLine:
      return "empty_line";
    case DropReason::kCount:
      break;
  }
  return "unknown";
}

const char* name(LossReason reason) {
  switch (reason) {
    case LossReason::kNone:
      return "none";
    case LossReason::kRotatedAway:
      return "rotated_away";
    case LossReason::kTruncated:
      return "truncated";
    case LossReason::kGivenUp:
      return "given_up";
    case LossReason::kOpenPartGone:
      return "open_part_gone";
    case LossReason::kUnreadable:
      return "unreadable";
    case LossReason::kCount:
      break;
  }
  return "unknown";
}

uint64_t BlockHeader::dropBytes() const {
  uint64_t total = 0;
  for (const DropCount& drop : drops) total += drop.bytes;
  return total;
}

void encode(const ChannelState& state, std::string& out) {
  out.push_back(static_cast<char>(state.kind));
  if (state.kind == ChannelState::Kind::kNone) return;
  putFixed(out, state.generation.fingerprint);
  putVarint(out, state.generation.epoch);
  putVarint(out, state.offset);
  putVarint(out, state.openBytes);
}

ChannelState decodeChannelState(base::Decoder& in) {
  ChannelState state;
  const auto kind = in.fixed<uint8_t>();
  if (kind > static_cast<uint8_t>(ChannelState::Kind::kCut)) return in.fail(), state;
  state.kind = static_cast<ChannelState::Kind>(kind);
  if (state.kind == ChannelState::Kind::kNone) return state;
  state.generation.fingerprint = in.fixed<uint64_t>();
  state.generation.epoch = static_cast<uint32_t>(in.varint());
  state.offset = in.varint();
  state.openBytes = in.varint();
  return state;
}

void encode(const BlockHeader& h, std::string& out) {
  putFixed(out, h.stream.hash.low);
  putFixed(out, h.stream.hash.high);
  putFixed(out, h.generation.fingerprint);
  putFixed(out, h.tailHash);
  putFixed(out, h.digest);
  putVarint(out, h.generation.epoch);
  putVarint(out, h.ordinal);
  putVarint(out, h.flags);
  putVarint(out, h.from);
  putVarint(out, h.to - h.from);
  putVarint(out, h.configEpoch);
  putVarint(out, h.records);
  putFixed(out, h.observedNanos);
  if (h.records > 0) {
    putFixed(out, h.minTimeNanos);
    putVarint(out, base::zigzag(h.maxTimeNanos - h.minTimeNanos));
    putVarint(out, h.recordBytes);
    putVarint(out, h.messageBytes);
    putVarint(out, h.columnBytes);
  }
  putVarint(out, h.lostBytes);
  if (h.lostBytes > 0 || (h.flags & kBlockTailLost) != 0) {
    out.push_back(static_cast<char>(h.lossReason));
  }
  uint64_t used = 0;
  for (const DropCount& drop : h.drops) used += drop == DropCount{} ? 0 : 1;
  putVarint(out, used);
  for (size_t reason = 0; reason < kDropReasons; ++reason) {
    if (h.drops[reason] == DropCount{}) continue;
    out.push_back(static_cast<char>(reason));
    putVarint(out, h.drops[reason].records);
    putVarint(out, h.drops[reason].bytes);
  }
  for (const ChannelState& state : h.channels) encode(state, out);
}

BlockHeader decodeBlockHeader(base::Decoder& in) {
  BlockHeader h;
  h.stream.hash.low = in.fixed<uint64_t>();
  h.stream.hash.high = in.fixed<uint64_t>();
  h.generation.fingerprint = in.fixed<uint64_t>();
  h.tailHash = in.fixed<uint64_t>();
  h.digest = in.fixed<uint64_t>();
  h.generation.epoch = static_cast<uint32_t>(in.varint());
  h.ordinal = static_cast<uint32_t>(in.varint());
  h.flags = static_cast<uint32_t>(in.varint());
  h.from = in.varint();
  h.to = h.from + in.varint();
  if (h.to < h.from) in.fail();
  h.configEpoch = static_cast<uint32_t>(in.varint());
  h.records = static_cast<uint32_t>(in.varint());
  h.observedNanos = in.fixed<int64_t>();
  if (h.records > 0) {
    h.minTimeNanos = in.fixed<int64_t>();
    h.maxTimeNanos = static_cast<int64_t>(static_cast<uint64_t>(h.minTimeNanos) +
                                          static_cast<uint64_t>(in.signedVarint()));
    h.recordBytes = in.varint();
    h.messageBytes = static_cast<uint32_t>(in.varint());
    h.columnBytes = static_cast<uint32_t>(in.varint());
  }
  h.lostBytes = in.varint();
  if (h.lostBytes > 0 || (h.flags & kBlockTailLost) != 0) {
    const auto reason = in.fixed<uint8_t>();
    if (reason >= static_cast<uint8_t>(LossReason::kCount)) in.fail();
    h.lossReason = in.ok() ? static_cast<LossReason>(reason) : LossReason::kNone;
  }
  const uint64_t used = in.varint();
  if (used > kDropReasons) in.fail();
  for (uint64_t i = 0; i < used && in.ok(); ++i) {
    const auto reason = in.fixed<uint8_t>();
    if (reason >= kDropReasons) {
      in.fail();
      break;
    }
    h.drops[reason].records = in.varint();
    h.drops[reason].bytes = in.varint();
  }
  for (ChannelState& state : h.channels) state = decodeChannelState(in);
  return h;
}

}  // namespace logtail::event
