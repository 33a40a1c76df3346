#pragma once
// The frame around every message between agent and aggregator: length, type, flags, CRC.
// Format and limits: docs/wire-format.md, "Message". Content: messages.h; reading:
// message_reader.h.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/base/result.h"

namespace logtail::wire {

inline constexpr uint16_t kMinVersion = 1;
inline constexpr uint16_t kMaxVersion = 1;

// Values are on the wire; append only.
enum class MessageType : uint8_t {
  kHello = 1,
  kHelloOk = 2,
  kError = 3,
  kStream = 4,
  kStreamOk = 5,
  kStreamEnd = 6,
  kFrame = 7,
  kAck = 8,
  kNack = 9,
  kStats = 10,
  kPing = 11,
  kPong = 12,
};
const char* name(MessageType type);
bool isKnown(MessageType type);

inline constexpr size_t kMessageHeaderBytes = 12;
inline constexpr size_t kMaxPayload = 1024 * 1024;
inline constexpr uint8_t kMessageCritical = 1u << 0;

struct MessageHeader {
  uint32_t length = 0;  // of the payload
  MessageType type = MessageType::kPing;
  uint8_t flags = 0;
  uint32_t crc = 0;
};

// kMessageHeaderBytes at `at`; the CRC covers the header's first 8 bytes and `checked`.
void storeMessageHeader(MessageType type, bool critical, size_t payloadBytes,
                        std::string_view checked, char* at);

// Reads the kMessageHeaderBytes at `at`. kFixInput when no header of ours begins there or the
// length is beyond `maxPayload`: the connection cannot be followed any further.
base::Result<MessageHeader> peekMessageHeader(const char* at, size_t maxPayload = kMaxPayload);

// The CRC that the header at `at` must hold when `checked` is what it covers of the payload.
uint32_t messageCrc(const char* at, std::string_view checked);

}  // namespace logtail::wire
