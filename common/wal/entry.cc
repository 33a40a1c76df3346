#include "common/wal/entry.h"

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "common/event/unit.h"

namespace logtail::wal {
namespace {

constexpr size_t kMaxName = 4096;

base::Error malformed(const char* what) {
  return {base::Errc::kQuarantine, std::string("queue entry: malformed ") + what};
}

void putKey(std::string& out, const event::StreamKey& key) {
  base::putFixed(out, key.hash.low);
  base::putFixed(out, key.hash.high);
}

event::StreamKey takeKey(base::Decoder& in) {
  event::StreamKey key;
  key.hash.low = in.fixed<uint64_t>();
  key.hash.high = in.fixed<uint64_t>();
  return key;
}

}  // namespace

void storeEntryHeader(const EntryHeader& header, uint32_t salt, char* at) {
  base::storeFixed(at, kEntryMagic);
  base::storeFixed(at + 4, header.length);
  base::storeFixed(at + 8, header.sequence);
  base::storeFixed(at + 16, header.durable);
  at[24] = static_cast<char>(header.kind);
  at[25] = static_cast<char>(header.flags);
  at[26] = at[27] = 0;
  base::storeFixed(at + 28, header.epoch);
  base::storeFixed(at + 32, header.payloadCrc);
  base::storeFixed(at + 36, base::crc32c({at, 36}, salt));
}

bool loadEntryHeader(const char* at, uint32_t salt, EntryHeader& out) {
  if (base::loadFixed<uint32_t>(at) != kEntryMagic) return false;
  if (base::loadFixed<uint32_t>(at + 36) != base::crc32c({at, 36}, salt)) return false;
  out.length = base::loadFixed<uint32_t>(at + 4);
  out.sequence = base::loadFixed<uint64_t>(at + 8);
  out.durable = base::loadFixed<uint64_t>(at + 16);
  out.kind = static_cast<EntryKind>(at[24]);
  out.flags = static_cast<uint8_t>(at[25]);
  out.epoch = base::loadFixed<uint32_t>(at + 28);
  out.payloadCrc = base::loadFixed<uint32_t>(at + 32);
  return out.length <= kMaxEntryPayload && out.sequence <= kMaxSequence &&
         out.durable < out.sequence;
}

std::string encodeFrameHead(const Envelope& envelope) {
  std::string out(4, '\0');
  base::putBytes(out, envelope.node);
  base::putFixed(out, envelope.life);
  base::putFixed(out, envelope.frameSequence);
  base::putFixed(out, envelope.receivedNanos);
  out.push_back(static_cast<char>(envelope.flags));
  base::putVarint(out, envelope.verdicts.size());
  for (const Verdict verdict : envelope.verdicts) out.push_back(static_cast<char>(verdict));
  base::storeFixed(out.data(), static_cast<uint32_t>(out.size() - 4));
  return out;
}

base::Result<FrameView> decodeFrame(std::string_view payload) {
  base::Decoder in(payload);
  const auto length = in.fixed<uint32_t>();
  base::Decoder head(in.raw(length));
  if (!in.ok()) return malformed("frame");
  FrameView frame;
  frame.envelope.node = head.bytes(kMaxName);
  frame.envelope.life = head.fixed<uint64_t>();
  frame.envelope.frameSequence = head.fixed<uint64_t>();
  frame.envelope.receivedNanos = head.fixed<int64_t>();
  frame.envelope.flags = head.fixed<uint8_t>();
  const std::string_view verdicts = head.raw(head.varint());
  if (!head.ok()) return malformed("envelope");
  for (const char verdict : verdicts) {
    if (static_cast<uint8_t>(verdict) > static_cast<uint8_t>(Verdict::kUndeclaredGap)) {
      return malformed("verdict");
    }
    frame.envelope.verdicts.push_back(static_cast<Verdict>(verdict));
  }
  frame.units = payload.substr(payload.size() - in.remaining());
  return frame;
}

base::Status forEachUnit(std::string_view units,
                         const std::function<base::Status(std::string_view unit)>& use) {
  while (!units.empty()) {
    const auto header = event::peekUnit(units);
    if (!header.ok()) return header.error();
    LOGTAIL_TRY(use(units.substr(0, header->size)));
    units.remove_prefix(header->size);
  }
  return {};
}

std::string encodeStreamEntry(const StreamEntry& stream) {
  std::string out;
  putKey(out, stream.key);
  base::putBytes(out, stream.description);
  out.push_back(stream.open.empty() ? 0 : 1);
  if (!stream.open.empty()) base::putBytes(out, stream.open);
  return out;
}

base::Result<StreamEntry> decodeStreamEntry(std::string_view payload) {
  base::Decoder in(payload);
  StreamEntry stream;
  stream.key = takeKey(in);
  stream.description = in.bytes(event::kMaxStreamDescription);
  if (in.fixed<uint8_t>() != 0) stream.open = in.bytes(kMaxEntryPayload);
  if (!in.ok()) return malformed("stream");
  return stream;
}

std::string encodeStreamEnd(const StreamEndEntry& end) {
  std::string out;
  putKey(out, end.key);
  base::putFixed(out, end.timeNanos);
  return out;
}

base::Result<StreamEndEntry> decodeStreamEnd(std::string_view payload) {
  base::Decoder in(payload);
  StreamEndEntry end;
  end.key = takeKey(in);
  end.timeNanos = in.fixed<int64_t>();
  if (!in.ok()) return malformed("stream end");
  return end;
}

std::string encodeStats(const StatsEntry& stats) {
  std::string out;
  base::putBytes(out, stats.node);
  base::putFixed(out, stats.life);
  out.push_back(stats.final ? 1 : 0);
  base::putFixed(out, stats.timeNanos);
  base::putBytes(out, stats.body);
  return out;
}

base::Result<StatsEntry> decodeStats(std::string_view payload) {
  base::Decoder in(payload);
  StatsEntry stats;
  stats.node = in.bytes(kMaxName);
  stats.life = in.fixed<uint64_t>();
  stats.final = in.fixed<uint8_t>() != 0;
  stats.timeNanos = in.fixed<int64_t>();
  stats.body = in.bytes(kMaxEntryPayload);
  if (!in.ok()) return malformed("stats");
  return stats;
}

std::string encodeForget(const ForgetEntry& forget) {
  std::string out;
  base::putBytes(out, forget.node);
  base::putVarint(out, forget.losses.size());
  for (const ForgetEntry::Loss& loss : forget.losses) {
    putKey(out, loss.key);
    base::putVarint(out, loss.bytes);
  }
  return out;
}

base::Result<ForgetEntry> decodeForget(std::string_view payload) {
  base::Decoder in(payload);
  ForgetEntry forget;
  forget.node = in.bytes(kMaxName);
  const uint64_t count = in.varint();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    ForgetEntry::Loss loss;
    loss.key = takeKey(in);
    loss.bytes = in.varint();
    forget.losses.push_back(loss);
  }
  if (!in.ok()) return malformed("forget");
  return forget;
}

}  // namespace logtail::wal
