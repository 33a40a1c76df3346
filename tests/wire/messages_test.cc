#include "common/wire/messages.h"

#include <gtest/gtest.h>

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/wire/transcript.h"

namespace logtail::wire {
namespace {

// A message of any type around any payload, its CRC right.
std::string message(uint8_t type, bool critical, std::string_view payload) {
  std::string out(kMessageHeaderBytes, '\0');
  storeMessageHeader(static_cast<MessageType>(type), critical, payload.size(), payload, out.data());
  return out.append(payload);
}

std::string payloadOf(const std::string& bytes) {
  return bytes.substr(kMessageHeaderBytes);
}

TEST(Messages, EachTypeSurvivesEncodingAndDecoding) {
  EXPECT_EQ(*decodeHello(payloadOf(encoded(kHello))), kHello);
  EXPECT_EQ(*decodeHelloOk(payloadOf(encoded(kHelloOk))), kHelloOk);
  EXPECT_EQ(*decodeError(payloadOf(encoded(kErrorMessage))), kErrorMessage);
  EXPECT_EQ(*decodeStream(payloadOf(encoded(kStreamOpen))), kStreamOpen);
  EXPECT_EQ(*decodeStreamOk(payloadOf(encoded(kStreamOk))), kStreamOk);
  EXPECT_EQ(*decodeStreamEnd(payloadOf(encoded(kStreamEnd))), kStreamEnd);
  EXPECT_EQ(*decodeAck(payloadOf(encoded(kAck))), kAck);
  EXPECT_EQ(*decodeNack(payloadOf(encoded(kNack))), kNack);
  EXPECT_EQ(*decodeStats(payloadOf(encoded(kStats))), kStats);
  EXPECT_EQ(*decodePing(payloadOf(encoded(kPing))), kPing);
  EXPECT_EQ(*decodePong(payloadOf(encoded(kPong))), kPong);
}

TEST(Messages, OptionalPartsMayBeAbsent) {
  StreamOpen open = kStreamOpen;
  open.checkpoint.reset();
  EXPECT_EQ(*decodeStream(payloadOf(encoded(open))), open);
  Nack nack = kNack;
  nack.where.reset();
  EXPECT_EQ(*decodeNack(payloadOf(encoded(nack))), nack);
}

TEST(Messages, ConversationReadsTheSameInPiecesOfAnySize) {
  std::string all;
  std::vector<std::string> each;
  for (const auto& [name, bytes] : sampleMessages()) {
    all += bytes;
    each.push_back(bytes);
  }
  for (size_t step = 1; step <= all.size(); step += step < 40 ? 1 : 37) {
    const Transcript got = read(all, step);
    EXPECT_EQ(got.error, "");
    EXPECT_EQ(got.messages, each) << step;
  }
}

TEST(Messages, EveryTruncationWaitsForMoreAndGivesNothing) {
  for (const auto& [name, bytes] : sampleMessages()) {
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      const Transcript got = read(bytes.substr(0, cut));
      EXPECT_TRUE(got.messages.empty()) << name << " cut at " << cut;
      EXPECT_EQ(got.error, "") << name << " cut at " << cut;
    }
  }
}

TEST(Messages, EveryFlippedByteIsAnErrorOrWaits) {
  for (const auto& [name, bytes] : sampleMessages()) {
    for (size_t at = 0; at < bytes.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        std::string bad = bytes;
        bad[at] = static_cast<char>(bad[at] ^ flip);
        const Transcript got = read(bad);
        EXPECT_TRUE(!got.error.empty() || got.messages.empty()) << name << " byte " << at;
      }
    }
  }
}

// With the CRC made right again: what a faulty or hostile peer can send.
TEST(Messages, EveryFlippedPayloadByteDecodesOrFailsButNeverReadsBeyond) {
  for (const auto& [name, bytes] : sampleMessages()) {
    const auto type = static_cast<uint8_t>(bytes[4]);
    if (type == static_cast<uint8_t>(MessageType::kFrame)) continue;
    for (size_t at = 0; at < bytes.size() - kMessageHeaderBytes; ++at) {
      for (int flip = 1; flip < 256; ++flip) {
        std::string payload = payloadOf(bytes);
        payload[at] = static_cast<char>(payload[at] ^ flip);
        const Transcript got = read(message(type, true, payload));
        if (!got.error.empty()) continue;
        ASSERT_EQ(got.messages.size(), 1u) << name << " byte " << at;
        EXPECT_EQ(read(got.messages[0]).messages, got.messages) << name << " byte " << at;
      }
    }
  }
}

TEST(Messages, EveryShortenedPayloadIsMalformed) {
  for (const auto& [name, bytes] : sampleMessages()) {
    const auto type = static_cast<uint8_t>(bytes[4]);
    const std::string payload = payloadOf(bytes);
    for (size_t cut = 0; cut < payload.size(); ++cut) {
      if (type == static_cast<uint8_t>(MessageType::kFrame)) continue;
      EXPECT_NE(read(message(type, true, payload.substr(0, cut))).error, "") << name << " " << cut;
    }
  }
}

TEST(Messages, FieldsOfANewerVersionBehindTheKnownOnesAreIgnored) {
  for (const auto& [name, bytes] : sampleMessages()) {
    const auto type = static_cast<uint8_t>(bytes[4]);
    if (type == static_cast<uint8_t>(MessageType::kFrame)) continue;
    const Transcript got = read(message(type, true, payloadOf(bytes) + "newer"));
    EXPECT_EQ(got.error, "") << name;
    EXPECT_EQ(read(got.messages.at(0)).messages, read(bytes).messages) << name;
  }
}

struct BadRow {
  const char* what;
  MessageType type;
  std::string payload;
};

std::string with(const std::string& bytes, size_t at, std::string_view replacement) {
  return payloadOf(bytes).replace(at, replacement.size(), replacement);
}

TEST(Messages, ValuesOutOfRangeAreMalformed) {
  const std::string huge("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
  std::string tooManyGenerations = payloadOf(encoded(kStreamOk)).substr(0, 17 + 8);
  tooManyGenerations += std::string(2, '\0') + '\x41' + std::string(65 * 40, '\0');
  const BadRow rows[] = {
      {"no magic", MessageType::kHello, with(encoded(kHello), 0, "X")},
      {"versions crossed", MessageType::kHello, with(encoded(kHello), 4, "\x02")},
      {"life 0", MessageType::kHello, with(encoded(kHello), 8, std::string(8, '\0'))},
      {"next sequence 0", MessageType::kHello, with(encoded(kHello), 16, std::string(8, '\0'))},
      {"name length over the limit", MessageType::kHello,
       payloadOf(encoded(kHello)).substr(0, 24) + huge + std::string(100, 'x')},
      {"queue id 0", MessageType::kHelloOk, with(encoded(kHelloOk), 2, std::string(8, '\0'))},
      {"frame limit below one unit", MessageType::kHelloOk,
       with(encoded(kHelloOk), 27, std::string("\0\0\x01\0", 4))},
      {"description over the limit", MessageType::kStream,
       payloadOf(encoded(kStreamOpen)).substr(0, 16) + "\x81\x80\x04" + std::string(65537, 'x') +
           '\0'},
      {"unknown status", MessageType::kStreamOk, with(encoded(kStreamOk), 16, "\x06")},
      {"65 generations", MessageType::kStreamOk, tooManyGenerations},
      {"refused blocks beyond the payload", MessageType::kAck,
       payloadOf(encoded(kAck)).substr(0, 16) + huge + std::string(64, 'x')},
      {"unknown reason", MessageType::kNack, with(encoded(kNack), 8, "\x06")},
      {"reason 0", MessageType::kNack, with(encoded(kNack), 8, std::string(1, '\0'))},
      {"streams beyond the payload", MessageType::kStats,
       payloadOf(encoded(kStats)).substr(0, 9) + "\x80\x40" + std::string(64, 'x')},
  };
  for (const BadRow& row : rows) {
    EXPECT_EQ(read(message(static_cast<uint8_t>(row.type), true, row.payload)).error, "malformed")
        << row.what;
  }
}

TEST(Messages, TheLargestStatsFitIntoOneMessage) {
  Stats stats;
  for (size_t i = 0; i < kMaxStatsStreams; ++i) {
    stats.streams.push_back({{{i, ~i}}, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull});
  }
  stats.pendingBytes = ~0ull;
  const std::string bytes = encoded(stats);
  EXPECT_LE(bytes.size(), kMaxPayload);
  EXPECT_EQ(*decodeStats(payloadOf(bytes)), stats);
}

TEST(Messages, AGoodFramesCrcIsThatOfItsBytes) {
  std::string units;
  for (const size_t size : {0, 1, 100, 70'000}) {
    units += sampleUnit(std::string(size, 'x') + "end");
    EXPECT_EQ(goodFrameCrc(units), base::crc32c(units));
  }
}

TEST(Messages, LongErrorTextIsCut) {
  const ErrorMessage error{ErrorCode::kMalformed, std::string(100'000, 'x')};
  EXPECT_EQ(decodeError(payloadOf(encoded(error)))->text.size(), kMaxErrorText);
}

}  // namespace
}  // namespace logtail::wire
