#include "common/wire/message_reader.h"

#include <gtest/gtest.h>

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/wire/transcript.h"

namespace logtail::wire {
namespace {

using Step = MessageReader::Step;

std::string message(uint8_t type, bool critical, std::string_view payload) {
  std::string out(kMessageHeaderBytes, '\0');
  storeMessageHeader(static_cast<MessageType>(type), critical, payload.size(), payload, out.data());
  return out.append(payload);
}

size_t put(MessageReader& reader, std::string_view bytes) {
  size_t taken = 0;
  for (const std::span<char>& buffer : reader.buffers()) {
    const size_t part = std::min(bytes.size() - taken, buffer.size());
    if (part == 0) continue;  // an absent buffer is a null pointer
    std::memcpy(buffer.data(), bytes.data() + taken, part);
    taken += part;
  }
  reader.commit(taken);
  return taken;
}

std::string longUnit() {
  std::string text(200'000, '\0');
  uint64_t seed = 1;
  for (char& c : text) c = static_cast<char>(seed = base::mix64(seed));
  return sampleUnit(text);
}

TEST(MessageReader, FrameBytesBehindTheFirstReadGoStraightToTheirDestination) {
  const std::string bytes = frameOf(1, {longUnit()}) + encoded(kPing);
  MessageReader reader;
  size_t at = put(reader, bytes);
  ASSERT_LT(at, 100'000u);
  ASSERT_EQ(*reader.next(), Step::kFrame);
  ASSERT_EQ(reader.frame().sequence, 1u);
  std::string units(reader.frame().bytes, '\0');
  reader.receiveFrame(units.data());
  ASSERT_EQ(*reader.next(), Step::kNeedMore);
  const auto direct = reader.buffers()[0];
  EXPECT_GE(direct.data(), units.data());
  EXPECT_EQ(direct.data() + direct.size(), units.data() + units.size());
  EXPECT_FALSE(reader.buffers()[1].empty()) << "what follows comes with the same read";
  at += put(reader, std::string_view(bytes).substr(at));
  EXPECT_EQ(at, bytes.size());
  ASSERT_EQ(*reader.next(), Step::kFrameDone);
  EXPECT_EQ(units, bytes.substr(kFramePrefixBytes, units.size()));
  ASSERT_EQ(*reader.next(), Step::kMessage);
  EXPECT_EQ(*decodePing(reader.message().payload), kPing);
}

TEST(MessageReader, AFrameCanBeSkipped) {
  const std::string bytes = frameOf(1, {longUnit()}) + encoded(kPing);
  MessageReader reader;
  size_t at = put(reader, bytes);
  ASSERT_EQ(*reader.next(), Step::kFrame);
  reader.skipFrame();
  base::Result<Step> step = reader.next();
  while (step.ok() && *step == Step::kNeedMore && at < bytes.size()) {
    at += put(reader, std::string_view(bytes).substr(at));
    step = reader.next();
  }
  EXPECT_EQ(*step, Step::kMessage);
}

TEST(MessageReader, FieldsBehindTheUnitsAreSkipped) {
  std::string bytes = frameOf(1, {sampleUnit("hi")});
  const std::string units = bytes.substr(kFramePrefixBytes);
  bytes += "newer";
  char* at = bytes.data();
  storeMessageHeader(MessageType::kFrame, true, bytes.size() - kMessageHeaderBytes,
                     {at + kMessageHeaderBytes, kFrameHeadBytes}, at);
  const Transcript got = read(bytes + encoded(kPing), 7);
  EXPECT_EQ(got.error, "");
  EXPECT_EQ(got.messages,
            (std::vector<std::string>{frameOf(1, {sampleUnit("hi")}), encoded(kPing)}));
}

TEST(MessageReader, UnknownTypesAreSkippedUnlessCritical) {
  const std::string unknown = message(200, false, std::string(50'000, 'x'));
  for (const size_t step : {size_t{1000}, SIZE_MAX}) {
    TranscriptReader reader;
    reader.feed(unknown + encoded(kPing), step);
    EXPECT_EQ(reader.transcript().error, "");
    EXPECT_EQ(reader.transcript().messages, std::vector<std::string>{encoded(kPing)});
    EXPECT_EQ(reader.reader().skippedMessages(), 1u);
    EXPECT_LT(reader.reader().bufferBytes(), 20'000u) << "skipped, not held";
  }
  MessageReader reader;
  put(reader, message(200, true, "x"));
  EXPECT_EQ(reader.next().code(), base::Errc::kTooNew);
}

TEST(MessageReader, ADamagedUnknownMessageIsAnError) {
  std::string unknown = message(200, false, "payload");
  unknown.back() = 'x';
  EXPECT_NE(read(unknown).error, "");
}

TEST(MessageReader, LengthsAreBoundedBeforeAnythingIsRead) {
  std::string header(kMessageHeaderBytes, '\0');
  storeMessageHeader(MessageType::kStats, false, kMaxPayload, {}, header.data());
  base::storeFixed(header.data(), static_cast<uint32_t>(kMaxPayload + 1));
  MessageReader reader;
  put(reader, header);
  EXPECT_EQ(reader.next().code(), base::Errc::kFixInput);

  MessageReader small;
  small.setMaxPayload(100);
  put(small, message(static_cast<uint8_t>(MessageType::kHello), true, std::string(101, 'x')));
  EXPECT_EQ(small.next().code(), base::Errc::kFixInput);
}

TEST(MessageReader, OtherProtocolsAreRefusedByTheirFirstBytes) {
  using namespace std::literals;
  for (const std::string_view text :
       {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"sv, "SSH-2.0-OpenSSH_9.2p1\r\n"sv,
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03zzzzz"sv}) {
    EXPECT_NE(read(text.substr(0, 16)).error, "") << text;
  }
}

TEST(MessageReader, GivesTheMemoryOfALongMessageBack) {
  Stats stats;
  stats.streams.resize(kMaxStatsStreams);
  TranscriptReader reader;
  reader.feed(encoded(stats) + encoded(kPing), 4096);
  reader.feed(encoded(kPing), 4096);
  EXPECT_EQ(reader.transcript().messages.size(), 3u);
  EXPECT_LT(reader.reader().bufferBytes(), 20'000u);
}

TEST(Frame, TellsDamageFromPoison) {
  const std::string good = sampleUnit("hi");
  std::vector<event::UnitView> views;
  const auto check = [&](const std::string& bytes, uint32_t units) {
    return checkFrame({1, units, static_cast<uint32_t>(bytes.size())}, bytes, views);
  };
  EXPECT_EQ(check(good + good, 2), FrameCheck::kGood);
  EXPECT_EQ(views.size(), 2u);
  for (size_t at = 0; at < good.size(); ++at) {
    std::string bad = good + good;
    bad[good.size() + at] = static_cast<char>(bad[good.size() + at] ^ 0x10);
    EXPECT_EQ(check(bad, 2), FrameCheck::kDamaged) << at;
  }
  EXPECT_EQ(check(good.substr(0, good.size() - 1), 1), FrameCheck::kDamaged);
  EXPECT_EQ(check(good + good, 1), FrameCheck::kPoison) << "bytes behind the last unit";

  std::string newer = good;
  newer[8] = 2;  // a version of its own time, with the CRC to it
  base::storeFixed(newer.data() + 4, base::crc32c(std::string_view(newer).substr(8)));
  EXPECT_EQ(check(newer + good, 2), FrameCheck::kPoison);
}

TEST(Frame, ImpossibleHeadsAreMalformed) {
  const auto head = [](uint64_t sequence, uint32_t units, uint32_t bytes, size_t payload) {
    std::string at;
    base::putFixed(at, sequence);
    base::putFixed(at, units);
    base::putFixed(at, bytes);
    return decodeFrameHead(at, payload).ok();
  };
  EXPECT_TRUE(head(1, 1, 100, 116));
  EXPECT_TRUE(head(1, 1, 100, 120));
  EXPECT_FALSE(head(0, 1, 100, 116)) << "sequence 0";
  EXPECT_FALSE(head(1, 0, 100, 116)) << "no unit";
  EXPECT_FALSE(head(1, 1, 101, 116)) << "more than the payload";
  EXPECT_FALSE(head(1, 5, 100, 116)) << "units too small to be";
  EXPECT_FALSE(head(1, 1, 0xffffffff, 116));
  EXPECT_FALSE(head(1, 1, 0, 15));
}

}  // namespace
}  // namespace logtail::wire
