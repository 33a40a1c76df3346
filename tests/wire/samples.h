#pragma once
// One message of each type with every field set, and the same conversation for golden bytes,
// truncation, damage and the fuzzer's corpus.

#include <string>
#include <utility>
#include <vector>

#include "common/event/unit_writer.h"
#include "common/wire/frame.h"
#include "common/wire/messages.h"

namespace logtail::wire {

inline event::Resume sampleResume() {
  event::Resume resume;
  resume.startTimeNanos = 1'000;
  resume.channels[0] = {event::ChannelState::Kind::kOpen, {0x3333333333333333, 1}, 300, 43};
  resume.generations.push_back({{0x3333333333333333, 1}, 2, true, 343, 0x4444444444444444});
  return resume;
}

inline const event::StreamKey kSampleKey{{0x1111111111111111, 0x2222222222222222}};

inline std::string sampleUnit(std::string_view text) {
  event::UnitWriter writer(1);
  event::BlockHeader start;
  start.stream = kSampleKey;
  start.generation = {0x3333333333333333, 0};
  start.observedNanos = 1'000;
  writer.beginBlock(start);
  writer.add(900, 0, 0, text, 41 + text.size());
  writer.endBlock(41 + text.size(), {}, 0x4444444444444444, 0);
  std::string bytes;
  writer.seal(bytes);
  return bytes;
}

template <typename T>
std::string encoded(const T& message) {
  std::string out;
  encode(message, out);
  return out;
}

inline std::string frameOf(uint64_t sequence, const std::vector<std::string>& units) {
  FrameHead head{sequence, static_cast<uint32_t>(units.size()), 0};
  std::string body;
  for (const std::string& unit : units) body += unit;
  head.bytes = static_cast<uint32_t>(body.size());
  std::string out(kFramePrefixBytes, '\0');
  storeFramePrefix(head, out.data());
  return out + body;
}

inline const Hello kHello{1, 1, 0x0102030405060708, 5, "c", "n", "0.1", "t", true};
inline const HelloOk kHelloOk{1, 0x0a0b, 3, true, 4, 0x800000, 0x100000};
inline const ErrorMessage kErrorMessage{ErrorCode::kFenced, "newer"};
inline const StreamOpen kStreamOpen{kSampleKey,
                                    "\x01\x01"
                                    "c",
                                    StreamCheckpoint{0x0a0b, sampleResume()}};
inline const StreamOk kStreamOk{kSampleKey, StreamStatus::kKnown, sampleResume()};
inline const StreamEnd kStreamEnd{kSampleKey};
inline const Ack kAck{5, 0x0a0b, {{5, 1}}};
inline const Nack kNack{6, NackReason::kOverlap, 250, Nack::Where{kSampleKey, sampleResume()}};
inline const Stats kStats{true, 7, {{kSampleKey, 1, 2, 3, 4, 5, 300}}, 9};
inline const Ping kPing{8};
inline const Pong kPong{8};

// Every type once, by name.
inline std::vector<std::pair<std::string, std::string>> sampleMessages() {
  return {{"hello", encoded(kHello)},
          {"hello_ok", encoded(kHelloOk)},
          {"error", encoded(kErrorMessage)},
          {"stream", encoded(kStreamOpen)},
          {"stream_ok", encoded(kStreamOk)},
          {"stream_end", encoded(kStreamEnd)},
          {"frame", frameOf(5, {sampleUnit("hi"), sampleUnit("ho")})},
          {"ack", encoded(kAck)},
          {"nack", encoded(kNack)},
          {"stats", encoded(kStats)},
          {"ping", encoded(kPing)},
          {"pong", encoded(kPong)}};
}

}  // namespace logtail::wire
