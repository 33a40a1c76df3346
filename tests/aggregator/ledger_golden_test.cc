// A ledger snapshot byte for byte (docs/ledger-format.md). A change here is a
// change of what is on disk: a snapshot that an older version wrote must still be read.

#include "aggregator/ledger_snapshot.h"
#include "tests/aggregator/ledger_fixture.h"
#include "tests/wal/golden_bytes.h"

namespace logtail::aggregator {
namespace {

const std::string kGolden = "tests/aggregator/golden/ledger.snap";
const std::string kFewerCounters = "tests/aggregator/golden/ledger_34_counters.snap";
constexpr uint64_t kQueue = 0x0807060504030201;
const event::StreamKey kKey{{0x1111111111111111, 0x2222222222222222}};

class GoldenLedger : public LedgerFixture {
 protected:
  // One node, one stream, one block of one record, one STATS.
  void fill() {
    life = 0x1112131415161718;
    ledger.applyOpen(1, "n", kKey,
                     "\x01\x01"
                     "c\x02\x01"
                     "n",
                     nullptr);
    event::BlockHeader b = block(kKey, 0, 43, 0x3333333333333333);
    b.tailHash = 0x4444444444444444;
    b.digest = 0x5555555555555555;
    const std::vector<event::BlockHeader> blocks{b};
    const std::vector<Verdict> verdicts{Verdict::kAccept};
    ledger.apply(2, {"n", life, 5, true}, blocks, verdicts);
    wire::Stats stats;
    stats.timeNanos = 4;
    stats.pendingBytes = 9;
    stats.streams.push_back({kKey, 1, 2, 3, 4, 5, 300});
    ledger.applyStats(3, "n", life, stats);
  }
};

constexpr size_t kHeader = 36;
constexpr size_t kRecordHeader = 16;
constexpr size_t kTotals = 38;  // counters
constexpr size_t kTotalsRecord = kRecordHeader + 1 + 1 + 8 * kTotals + 1;
constexpr size_t kNodeRecord = kRecordHeader + 31;

std::string_view part(std::string_view bytes, size_t from, size_t size = std::string::npos) {
  return bytes.substr(from, size);
}

TEST_F(GoldenLedger, HeaderTotalsAndNodeByteForByte) {
  const std::string stored = goldenFile(kGolden);
  Explained(part(stored, 0, kHeader))
      .field("4c544c4544473031", "magic LTLEDG01")
      .field("01000000", "version 1")
      .field("00000000", "reserved")
      .field("0102030405060708", "queue id")
      .field("0300000000000000", "holds the queue up to entry 3")
      .field("e59b34fc", "CRC of the 32 bytes before");
  Explained(part(stored, kHeader, kTotalsRecord))
      .field("4c544c52", "magic LTLR")
      .field("33010000", "payload of 307 bytes")
      .field("ce69f3d3", "CRC of the payload")
      .field("5c665a97", "CRC of the 12 bytes before")
      .field("01", "kind 1: totals of streams let go")
      .field("26", "38 counters")
      .zerosTo(kRecordHeader + 2 + 8 * kTotals)
      .field("00", "no records lost to damage");
  Explained(part(stored, kHeader + kTotalsRecord, kNodeRecord))
      .field("4c544c52", "magic LTLR")
      .field("1f000000", "payload of 31 bytes")
      .field("e8599c9b", "CRC of the payload")
      .field("5543bebf", "CRC of the 12 bytes before")
      .field("02", "kind 2: node")
      .field("016e", "its name: n")
      .field("1817161514131211", "life of its newest frame")
      .field("05", "frame 5 of it")
      .field("1817161514131211", "life of its newest STATS")
      .field("0400000000000000", "said at 4 ns")
      .field("09", "9 bytes pending")
      .field("00", "no stream forgotten for want of room")
      .field("02", "flags: unproven");
}

TEST_F(GoldenLedger, StreamAndEndByteForByte) {
  const std::string stored = goldenFile(kGolden);
  Explained bytes(part(stored, kHeader + kTotalsRecord + kNodeRecord));
  bytes.field("4c544c52", "magic LTLR")
      .field("a6010000", "payload of 422 bytes")
      .field("34753af8", "CRC of the payload")
      .field("4dd01324", "CRC of the 12 bytes before")
      .field("03", "kind 3: stream");
  bytes.field("1111111111111111", "key, low half").field("2222222222222222", "high half");
  bytes.field("016e", "owned by node n").field("0601016302016e", "description: cluster c, node n");
  bytes.field("0000000000000000", "start time: none declared")
      .field("0000", "both channels: none")
      .field("01", "one generation")
      .field("3333333333333333", "its fingerprint")
      .field("00", "epoch 0")
      .field("00", "ordinal 0")
      .field("2b", "to 43")
      .field("4444444444444444", "tail hash")
      .field("00", "not ended");
  bytes.field("26", "38 counters")
      .field("0100000000000000", "1 block")
      .field("2b00000000000000", "43 bytes consumed")
      .field("0100000000000000", "1 record")
      .field("2b00000000000000", "of 43 bytes")
      .field("5555555555555555", "digest");
  for (size_t i = 5; i < kTotals; ++i) bytes.field("0000000000000000", "a counter at 0");
  bytes.field("1817161514131211", "life of its newest block")
      .field("2b01", "43 bytes and 1 record accepted of that life")
      .field("5555555555555555", "their digest");
  bytes.field("1817161514131211", "life of its newest STATS")
      .field("01", "1 byte read")
      .field("02", "2 read again")
      .field("ac02", "300 known beyond what is sealed")
      .field("09", "9 of the node pending")
      .field("0304", "3 bytes and 4 records sealed")
      .field("0500000000000000", "their digest")
      .field("2b01", "43 bytes and 1 record accepted by then")
      .field("5555555555555555", "their digest");
  bytes.field("0000000000000000", "not ended").field("00", "flags");
  bytes.field("4c544c52", "magic LTLR")
      .field("16000000", "payload of 22 bytes")
      .field("2ef72cf4", "CRC of the payload")
      .field("bbbd218e", "CRC of the 12 bytes before")
      .field("04", "kind 4: end")
      .field("03", "behind 3 records")
      .field("01000000", "version 1")
      .field("0102030405060708", "queue id")
      .field("0300000000000000", "holds the queue up to entry 3");
}

TEST_F(GoldenLedger, IsWhatIsWrittenToday) {
  fill();
  EXPECT_EQ(LedgerSnapshot::encode(ledger, kQueue), goldenFile(kGolden));
}

TEST_F(GoldenLedger, IsReadTodayAlsoFromBeforeTheLastFourCounters) {
  fill();
  for (const std::string& file : {kGolden, kFewerCounters}) {
    Ledger copy(Ledger::Limits{}, budget);
    ASSERT_EQ(*LedgerSnapshot::decode(goldenFile(file), copy), 0u) << file;
    EXPECT_EQ(copy.sequence(), 3u);
    ASSERT_NE(copy.find(kKey), nullptr) << file;
    EXPECT_EQ(*copy.find(kKey), *ledger.find(kKey)) << file;
    EXPECT_EQ(*copy.findNode("n"), *ledger.findNode("n")) << file;
  }
}

}  // namespace
}  // namespace logtail::aggregator
