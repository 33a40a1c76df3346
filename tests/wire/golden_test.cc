// The worked bytes of docs/wire-format.md: a whole conversation. A change here is a change of the
// wire.

#include <gtest/gtest.h>

#include "common/base/coding.h"
#include "tests/wire/transcript.h"

namespace logtail::wire {
namespace {

std::string hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 15];
  }
  return text;
}

const std::string kResume =
    "e803000000000000"  // start_time_ns 1000
    "01"
    "3333333333333333"
    "01"
    "ac02"
    "2b"  // stdout: open, generation, epoch 1, offset 300, 43 bytes
    "00"  // stderr: none
    "01"
    "3333333333333333"
    "01"
    "02"
    "d702"  // one generation: fingerprint, epoch, ordinal, to 343
    "4444444444444444"
    "01";  // tail hash, end
const std::string kKey =
    "1111111111111111"
    "2222222222222222";

struct Row {
  const char* name;
  std::string bytes;
  std::string golden;
};

TEST(GoldenWire, AConversationByteForByte) {
  const std::string unit = sampleUnit("hi");
  const Row rows[] = {
      {"agent: HELLO", encoded(kHello),
       "23000000"
       "01"
       "01"
       "0000"
       "296842a6"  // length 35, type, critical, CRC
       "4c545731"
       "0100"
       "0100"  // LTW1, versions 1 to 1
       "0807060504030201"
       "0500000000000000"  // life, next sequence 5
       "0163"
       "016e"
       "03302e31"
       "0174"
       "01"},  // cluster c, node n, version 0.1, token t, fresh
      {"aggregator: HELLO_OK", encoded(kHelloOk),
       "1f000000"
       "02"
       "01"
       "0000"
       "41f06df6"
       "0100"
       "0b0a000000000000"
       "03000000"  // version 1, queue id, epoch 3
       "01"
       "0400000000000000"  // node known, frame 4 is durable
       "00008000"
       "00001000"},  // window 8 MiB, frames up to 1 MiB
      {"agent: STREAM", encoded(kStreamOpen),
       "49000000"
       "04"
       "01"
       "0000"
       "9719c89a" +
           kKey +
           "03"
           "010163"
           "01"
           "0b0a000000000000" +
           kResume},  // description, checkpoint of queue 0x0a0b
      {"aggregator: STREAM_OK", encoded(kStreamOk),
       "3d000000"
       "05"
       "01"
       "0000"
       "6b651bf0" +
           kKey + "01" + kResume},  // known
      {"agent: FRAME", frameOf(5, {unit}),
       "76000000"
       "07"
       "01"
       "0000"
       "53710879"  // length 118, CRC of the head only
       "0500000000000000"
       "01000000"
       "66000000" +  // sequence 5, one unit, 102 bytes
           hex(unit)},
      {"aggregator: ACK", encoded(kAck),
       "1a000000"
       "08"
       "01"
       "0000"
       "4b8d93d8"
       "0500000000000000"
       "0b0a000000000000"  // up to frame 5, durable in queue 0x0a0b
       "01"
       "0500000000000000"
       "01"},  // block 1 of frame 5 was another node's
      {"aggregator: NACK", encoded(kNack),
       "4a000000"
       "09"
       "01"
       "0000"
       "ba74ba8a"
       "0600000000000000"
       "03"
       "fa000000"
       "01" +
           kKey + kResume},  // from 6 on, overlap, 250 ms
      {"agent: STATS", encoded(kStats),
       "29000000"
       "0a"
       "00"
       "0000"
       "abb4eacc"
       "01"
       "0700000000000000"  // final, time
       "01" +
           kKey +
           "01"
           "02"
           "03"
           "04"
           "0500000000000000"
           "ac02"
           "09"},
      {"agent: STREAM_END", encoded(kStreamEnd),
       "10000000"
       "06"
       "01"
       "0000"
       "77a6b2e4" +
           kKey},
      {"aggregator: PING", encoded(kPing),
       "08000000"
       "0b"
       "00"
       "0000"
       "361a5e54"
       "0800000000000000"},
      {"agent: PONG", encoded(kPong),
       "08000000"
       "0c"
       "00"
       "0000"
       "a6360bc2"
       "0800000000000000"},
      {"aggregator: ERROR", encoded(kErrorMessage),
       "07000000"
       "03"
       "01"
       "0000"
       "580e3d4b"
       "05"
       "056e65776572"},  // fenced, "newer"
  };
  for (const Row& row : rows) EXPECT_EQ(hex(row.bytes), row.golden) << row.name;
}

}  // namespace
}  // namespace logtail::wire
