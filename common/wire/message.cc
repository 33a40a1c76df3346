#include "common/wire/message.h"

#include <string>

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::wire {
namespace {

constexpr size_t kCrcAt = 8;

}  // namespace

const char* name(MessageType type) {
  switch (type) {
    case MessageType::kHello:
      return "HELLO";
    case MessageType::kHelloOk:
      return "HELLO_OK";
    case MessageType::kError:
      return "ERROR";
    case MessageType::kStream:
      return "STREAM";
    case MessageType::kStreamOk:
      return "STREAM_OK";
    case MessageType::kStreamEnd:
      return "STREAM_END";
    case MessageType::kFrame:
      return "FRAME";
    case MessageType::kAck:
      return "ACK";
    case MessageType::kNack:
      return "NACK";
    case MessageType::kStats:
      return "STATS";
    case MessageType::kPing:
      return "PING";
    case MessageType::kPong:
      return "PONG";
  }
  return "unknown";
}

bool isKnown(MessageType type) {
  const auto value = static_cast<uint8_t>(type);
  return value >= static_cast<uint8_t>(MessageType::kHello) &&
         value <= static_cast<uint8_t>(MessageType::kPong);
}

uint32_t messageCrc(const char* at, std::string_view checked) {
  return base::crc32c(checked, base::crc32c({at, kCrcAt}));
}

void storeMessageHeader(MessageType type, bool critical, size_t payloadBytes,
                        std::string_view checked, char* at) {
  LOGTAIL_ASSERT(payloadBytes <= kMaxPayload);
  base::storeFixed(at, static_cast<uint32_t>(payloadBytes));
  at[4] = static_cast<char>(type);
  at[5] = static_cast<char>(critical ? kMessageCritical : 0);
  base::storeFixed(at + 6, uint16_t{0});
  base::storeFixed(at + kCrcAt, messageCrc(at, checked));
}

base::Result<MessageHeader> peekMessageHeader(const char* at, size_t maxPayload) {
  // A TLS record of a handshake: as a length it would be far beyond any limit.
  if (at[0] == 0x16 && at[1] == 0x03 && at[2] != 0) {
    return base::Error{base::Errc::kFixInput, "wire: the peer speaks TLS, this side does not"};
  }
  MessageHeader header;
  header.length = base::loadFixed<uint32_t>(at);
  header.type = static_cast<MessageType>(at[4]);
  header.flags = static_cast<uint8_t>(at[5]);
  header.crc = base::loadFixed<uint32_t>(at + kCrcAt);
  if (base::loadFixed<uint16_t>(at + 6) != 0) {
    return base::Error{base::Errc::kFixInput, "wire: not a message of this protocol"};
  }
  if (header.length > maxPayload) {
    return base::Error{base::Errc::kFixInput, "wire: message of " + std::to_string(header.length) +
                                                  " bytes, limit " + std::to_string(maxPayload)};
  }
  return header;
}

}  // namespace logtail::wire
