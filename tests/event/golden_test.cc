// The worked bytes of docs/wire-format.md, "Unit": a change here is a change of the wire and of
// what is on disk.
#include <gtest/gtest.h>

#include "common/event/unit.h"
#include "common/event/unit_writer.h"

namespace logtail::event {
namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  char two[3];
  for (const char c : bytes) {
    snprintf(two, sizeof two, "%02x", static_cast<unsigned char>(c));
    text += two;
  }
  return text;
}

TEST(GoldenUnit, OneBlockWithOneRecord) {
  UnitWriter writer(1);
  BlockHeader start;
  start.stream = {{0x1111111111111111, 0x2222222222222222}};
  start.generation = {0x3333333333333333, 0};
  start.from = 300;
  start.observedNanos = 1'000;
  writer.beginBlock(start);
  writer.add(900, 300, kRecordStderr, "hi", 43);
  writer.endBlock(343, {}, 0x4444444444444444, 0);
  std::string bytes;
  writer.seal(bytes);

  const std::string fixed =
      "67000000"  // size: 103
      "CRCCRC__"  // crc
      "01"
      "00"
      "0100"  // version 1, codec none (so few bytes do not compress), 1 block
      "48000000"
      "07000000"
      "00000000";  // header bytes 72, raw bytes 7, key id
  const std::string header =
      "1111111111111111"
      "2222222222222222"  // key, low and high half
      "3333333333333333"
      "4444444444444444"  // fingerprint, tail hash
      "DIGESTDIGEST____"  // digest
      "00"
      "00"
      "00"  // epoch, ordinal, flags
      "ac02"
      "2b"
      "00"
      "01"                // from 300, length 43, config epoch, 1 record
      "e803000000000000"  // observed 1000
      "8403000000000000"
      "00"  // min 900, max - min 0
      "2b"
      "02"
      "05"  // record bytes 43, message bytes 2, column bytes 5
      "00"
      "00"
      "00"
      "00";  // lost bytes, no drops, two channels: none
  const std::string body =
      "6869"  // hi
      "01"
      "00"
      "02"
      "c701";  // flags stderr, where +0, length 2, time -100
  EXPECT_EQ(bytes.size() * 2, (fixed + header + body).size());
  const std::string got = hex(bytes);
  EXPECT_EQ(got.substr(0, 8), fixed.substr(0, 8));
  EXPECT_EQ(got.substr(16, 32), fixed.substr(16, 32));
  EXPECT_EQ(got.substr(48, 64), header.substr(0, 64));
  EXPECT_EQ(got.substr(48 + 80), (header + body).substr(80));
  const auto view = UnitView::parse(bytes);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->blocks()[0].digest, recordDigest(identitySeed(start.stream, start.generation),
                                                   300, 900, kRecordStderr, base::hash64("hi")));
}

TEST(GoldenUnit, DigestAndIdentityDoNotChangeBetweenVersions) {
  EXPECT_EQ(base::crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(base::hash64(""), 0x2d06800538d394c2u);  // XXH3-64 of nothing, from its specification
  EXPECT_EQ(base::mix64(1), 0xb456bcfc34c2cb2cu);
}

}  // namespace
}  // namespace logtail::event
