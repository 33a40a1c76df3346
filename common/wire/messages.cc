#include "common/wire/messages.h"

#include "common/base/coding.h"
#include "common/wire/frame.h"

namespace logtail::wire {
namespace {

using base::Decoder;
using base::putBytes;
using base::putFixed;
using base::putVarint;

constexpr std::string_view kMagic = "LTW1";
constexpr size_t kRefusedBlockBytes = 9;  // the least one takes
constexpr size_t kStreamStatsBytes = 29;

base::Error malformed(MessageType type) {
  return {base::Errc::kFixInput, std::string("wire: malformed ") + name(type)};
}

// Writes the message around what `putPayload` appends.
template <typename PutPayload>
void putMessage(std::string& out, MessageType type, bool critical, PutPayload&& putPayload) {
  const size_t start = out.size();
  out.append(kMessageHeaderBytes, '\0');
  putPayload();
  const size_t payloadBytes = out.size() - start - kMessageHeaderBytes;
  char* at = out.data() + start;
  storeMessageHeader(type, critical, payloadBytes, {at + kMessageHeaderBytes, payloadBytes}, at);
}

void putKey(std::string& out, const event::StreamKey& key) {
  putFixed(out, key.hash.low);
  putFixed(out, key.hash.high);
}

event::StreamKey key(Decoder& in) {
  event::StreamKey key;
  key.hash.low = in.fixed<uint64_t>();
  key.hash.high = in.fixed<uint64_t>();
  return key;
}

template <typename T>
base::Result<T> finish(const Decoder& in, MessageType type, T message) {
  if (!in.ok()) return malformed(type);
  return message;
}

}  // namespace

const char* name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kVersion:
      return "version";
    case ErrorCode::kNotAuthorised:
      return "not_authorised";
    case ErrorCode::kMalformed:
      return "malformed";
    case ErrorCode::kUnknownType:
      return "unknown_type";
    case ErrorCode::kFenced:
      return "fenced";
    case ErrorCode::kShuttingDown:
      return "shutting_down";
    case ErrorCode::kOverLimit:
      return "over_limit";
  }
  return "unknown";
}

const char* name(StreamStatus status) {
  switch (status) {
    case StreamStatus::kNew:
      return "new";
    case StreamStatus::kKnown:
      return "known";
    case StreamStatus::kForbidden:
      return "forbidden";
    case StreamStatus::kLostAfterAck:
      return "lost_after_ack";
    case StreamStatus::kMoved:
      return "moved";
    case StreamStatus::kEnded:
      return "ended";
  }
  return "unknown";
}

const char* name(NackReason reason) {
  switch (reason) {
    case NackReason::kDamaged:
      return "damaged";
    case NackReason::kQueueFull:
      return "queue_full";
    case NackReason::kOverlap:
      return "overlap";
    case NackReason::kUnknownStream:
      return "unknown_stream";
    case NackReason::kNotReady:
      return "not_ready";
  }
  return "unknown";
}

void encode(const Hello& m, std::string& out) {
  putMessage(out, MessageType::kHello, true, [&] {
    out.append(kMagic);
    putFixed(out, m.minVersion);
    putFixed(out, m.maxVersion);
    putFixed(out, m.life);
    putFixed(out, m.nextSequence);
    putBytes(out, m.cluster);
    putBytes(out, m.node);
    putBytes(out, m.agentVersion);
    putBytes(out, m.token);
    out.push_back(m.fresh ? 1 : 0);
  });
}

base::Result<Hello> decodeHello(std::string_view payload) {
  Decoder in(payload);
  Hello m;
  if (in.raw(kMagic.size()) != kMagic) return malformed(MessageType::kHello);
  m.minVersion = in.fixed<uint16_t>();
  m.maxVersion = in.fixed<uint16_t>();
  m.life = in.fixed<uint64_t>();
  m.nextSequence = in.fixed<uint64_t>();
  m.cluster = in.bytes(kMaxName);
  m.node = in.bytes(kMaxName);
  m.agentVersion = in.bytes(kMaxName);
  m.token = in.bytes(kMaxToken);
  m.fresh = in.fixed<uint8_t>() != 0;
  if (m.minVersion > m.maxVersion || m.life == 0 || m.nextSequence == 0 || m.node.empty())
    in.fail();
  return finish(in, MessageType::kHello, std::move(m));
}

void encode(const HelloOk& m, std::string& out) {
  putMessage(out, MessageType::kHelloOk, true, [&] {
    putFixed(out, m.version);
    putFixed(out, m.queueId);
    putFixed(out, m.epoch);
    out.push_back(m.knownNode ? 1 : 0);
    putFixed(out, m.ackedSequence);
    putFixed(out, m.windowBytes);
    putFixed(out, m.maxFrameBytes);
  });
}

base::Result<HelloOk> decodeHelloOk(std::string_view payload) {
  Decoder in(payload);
  HelloOk m;
  m.version = in.fixed<uint16_t>();
  m.queueId = in.fixed<uint64_t>();
  m.epoch = in.fixed<uint32_t>();
  m.knownNode = in.fixed<uint8_t>() != 0;
  m.ackedSequence = in.fixed<uint64_t>();
  m.windowBytes = in.fixed<uint32_t>();
  m.maxFrameBytes = in.fixed<uint32_t>();
  if (m.queueId == 0 || m.maxFrameBytes < kMinMaxFrameBytes) in.fail();
  return finish(in, MessageType::kHelloOk, m);
}

void encode(const ErrorMessage& m, std::string& out) {
  putMessage(out, MessageType::kError, true, [&] {
    out.push_back(static_cast<char>(m.code));
    putBytes(out, std::string_view(m.text).substr(0, kMaxErrorText));
  });
}

base::Result<ErrorMessage> decodeError(std::string_view payload) {
  Decoder in(payload);
  ErrorMessage m;
  m.code = static_cast<ErrorCode>(in.fixed<uint8_t>());
  m.text = in.bytes(kMaxErrorText);
  return finish(in, MessageType::kError, std::move(m));
}

void encode(const StreamOpen& m, std::string& out) {
  putMessage(out, MessageType::kStream, true, [&] {
    putKey(out, m.key);
    putBytes(out, m.description);
    out.push_back(m.checkpoint ? 1 : 0);
    if (!m.checkpoint) return;
    putFixed(out, m.checkpoint->queueId);
    event::encode(m.checkpoint->resume, out);
  });
}

base::Result<StreamOpen> decodeStream(std::string_view payload) {
  Decoder in(payload);
  StreamOpen m;
  m.key = key(in);
  m.description = in.bytes(event::kMaxStreamDescription);
  if (in.fixed<uint8_t>() != 0) {
    StreamCheckpoint& checkpoint = m.checkpoint.emplace();
    checkpoint.queueId = in.fixed<uint64_t>();
    checkpoint.resume = event::decodeResume(in);
  }
  return finish(in, MessageType::kStream, std::move(m));
}

void encode(const StreamOk& m, std::string& out) {
  putMessage(out, MessageType::kStreamOk, true, [&] {
    putKey(out, m.key);
    out.push_back(static_cast<char>(m.status));
    event::encode(m.resume, out);
  });
}

base::Result<StreamOk> decodeStreamOk(std::string_view payload) {
  Decoder in(payload);
  StreamOk m;
  m.key = key(in);
  const auto status = in.fixed<uint8_t>();
  if (status > static_cast<uint8_t>(StreamStatus::kEnded)) in.fail();
  m.status = static_cast<StreamStatus>(status);
  m.resume = event::decodeResume(in);
  return finish(in, MessageType::kStreamOk, std::move(m));
}

void encode(const StreamEnd& m, std::string& out) {
  putMessage(out, MessageType::kStreamEnd, true, [&] { putKey(out, m.key); });
}

base::Result<StreamEnd> decodeStreamEnd(std::string_view payload) {
  Decoder in(payload);
  return finish(in, MessageType::kStreamEnd, StreamEnd{key(in)});
}

void encode(const Ack& m, std::string& out) {
  putMessage(out, MessageType::kAck, true, [&] {
    putFixed(out, m.sequence);
    putFixed(out, m.queueId);
    putVarint(out, m.forbidden.size());
    for (const RefusedBlock& refused : m.forbidden) {
      putFixed(out, refused.sequence);
      putVarint(out, refused.block);
    }
  });
}

base::Result<Ack> decodeAck(std::string_view payload) {
  Decoder in(payload);
  Ack m;
  m.sequence = in.fixed<uint64_t>();
  m.queueId = in.fixed<uint64_t>();
  const uint64_t count = in.varint();
  if (count > in.remaining() / kRefusedBlockBytes) in.fail();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    RefusedBlock& refused = m.forbidden.emplace_back();
    refused.sequence = in.fixed<uint64_t>();
    refused.block = in.varint();
  }
  if (m.queueId == 0) in.fail();
  return finish(in, MessageType::kAck, std::move(m));
}

void encode(const Nack& m, std::string& out) {
  putMessage(out, MessageType::kNack, true, [&] {
    putFixed(out, m.sequence);
    out.push_back(static_cast<char>(m.reason));
    putFixed(out, m.retryAfterMs);
    out.push_back(m.where ? 1 : 0);
    if (!m.where) return;
    putKey(out, m.where->key);
    event::encode(m.where->resume, out);
  });
}

base::Result<Nack> decodeNack(std::string_view payload) {
  Decoder in(payload);
  Nack m;
  m.sequence = in.fixed<uint64_t>();
  const auto reason = in.fixed<uint8_t>();
  if (reason == 0 || reason >= kNackReasons) in.fail();
  m.reason = static_cast<NackReason>(reason);
  m.retryAfterMs = in.fixed<uint32_t>();
  if (in.fixed<uint8_t>() != 0) {
    Nack::Where& where = m.where.emplace();
    where.key = key(in);
    where.resume = event::decodeResume(in);
  }
  return finish(in, MessageType::kNack, std::move(m));
}

void encodeStatsBody(const Stats& m, std::string& out) {
  LOGTAIL_ASSERT(m.streams.size() <= kMaxStatsStreams);
  putVarint(out, m.streams.size());
  for (const StreamStats& stream : m.streams) {
    putKey(out, stream.key);
    putVarint(out, stream.readBytes);
    putVarint(out, stream.rereadBytes);
    putVarint(out, stream.sealedBytes);
    putVarint(out, stream.sealedRecords);
    putFixed(out, stream.sealedDigest);
    putVarint(out, stream.knownBytes);
  }
  putVarint(out, m.pendingBytes);
}

base::Result<Stats> decodeStatsBody(std::string_view body) {
  Decoder in(body);
  Stats m;
  const uint64_t count = in.varint();
  if (count > kMaxStatsStreams || count > in.remaining() / kStreamStatsBytes) in.fail();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    StreamStats& stream = m.streams.emplace_back();
    stream.key = key(in);
    stream.readBytes = in.varint();
    stream.rereadBytes = in.varint();
    stream.sealedBytes = in.varint();
    stream.sealedRecords = in.varint();
    stream.sealedDigest = in.fixed<uint64_t>();
    stream.knownBytes = in.varint();
  }
  m.pendingBytes = in.varint();
  return finish(in, MessageType::kStats, std::move(m));
}

void encode(const Stats& m, std::string& out) {
  putMessage(out, MessageType::kStats, false, [&] {
    out.push_back(m.final ? 1 : 0);
    putFixed(out, m.timeNanos);
    encodeStatsBody(m, out);
  });
}

base::Result<Stats> decodeStats(std::string_view payload) {
  Decoder in(payload);
  const bool final = in.fixed<uint8_t>() != 0;
  const auto timeNanos = in.fixed<int64_t>();
  if (!in.ok()) return malformed(MessageType::kStats);
  auto stats = decodeStatsBody(payload.substr(payload.size() - in.remaining()));
  if (!stats.ok()) return stats;
  stats->final = final;
  stats->timeNanos = timeNanos;
  return stats;
}

void encode(const Ping& m, std::string& out) {
  putMessage(out, MessageType::kPing, false, [&] { putFixed(out, m.token); });
}

base::Result<Ping> decodePing(std::string_view payload) {
  Decoder in(payload);
  return finish(in, MessageType::kPing, Ping{in.fixed<uint64_t>()});
}

void encode(const Pong& m, std::string& out) {
  putMessage(out, MessageType::kPong, false, [&] { putFixed(out, m.token); });
}

base::Result<Pong> decodePong(std::string_view payload) {
  Decoder in(payload);
  return finish(in, MessageType::kPong, Pong{in.fixed<uint64_t>()});
}

}  // namespace logtail::wire
