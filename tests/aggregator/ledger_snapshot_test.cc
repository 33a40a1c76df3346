#include "aggregator/ledger_snapshot.h"

#include <random>

#include "tests/aggregator/ledger_fixture.h"

namespace logtail::aggregator {
namespace {

constexpr uint64_t kQueue = 0x77;

class LedgerSnapshots : public LedgerFixture {
 protected:
  void fill() {
    for (const char* pod : {"a", "b", "c", "d"}) {
      const auto key = open("n1", pod);
      event::BlockHeader b = block(key, 0, 100);
      b.flags = event::kBlockEnd;
      send("n1", {b, block(key, 0, 70, 2, 1), block(key, 90, 95, 2, 1)});
      keys.push_back(key);
    }
    wire::Stats stats;
    stats.timeNanos = 4;
    stats.final = true;
    stats.streams.push_back({keys[0], 1, 2, 3, 4, 5, 6});
    ledger.applyStats(++entry, "n1", life, stats);
    const auto gone = open("n2", "x");
    send("n2", {block(gone, 0, 9)});
    ledger.applyStreamEnd(++entry, gone, 1);
    ledger.forgetEnded(2);
    bytes = LedgerSnapshot::encode(ledger, kQueue);
  }

  std::vector<event::StreamKey> keys;
  std::string bytes;
};

TEST_F(LedgerSnapshots, BringBackEverything) {
  fill();
  Ledger copy(Ledger::Limits{}, budget);
  ASSERT_EQ(*LedgerSnapshot::decode(bytes, copy), 0u);
  EXPECT_EQ(copy.sequence(), ledger.sequence());
  EXPECT_EQ(copy.retired(), ledger.retired());
  EXPECT_EQ(copy.streamCount(), 4u);
  ledger.forEach([&](const StreamState& s) { EXPECT_EQ(*copy.find(s.key), s); });
  ledger.forEachNode([&](const NodeState& n) { EXPECT_EQ(*copy.findNode(n.name), n); });
  EXPECT_EQ(LedgerSnapshot::peek(bytes)->queueId, kQueue);
  EXPECT_EQ(LedgerSnapshot::peek(bytes)->sequence, ledger.sequence());
}

TEST_F(LedgerSnapshots, LoseOneRecordToOneFlippedByte) {
  fill();
  size_t damagedSome = 0;
  for (size_t at = 36; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    Ledger copy(Ledger::Limits{}, budget);
    const auto count = LedgerSnapshot::decode(damaged, copy);
    ASSERT_TRUE(count.ok()) << at;
    ASSERT_EQ(*count, 1u) << at;
    ASSERT_GE(copy.streamCount(), 3u) << at;
    copy.forEach([&](const StreamState& s) { ASSERT_EQ(s, *ledger.find(s.key)) << at; });
    damagedSome += copy.streamCount() == 3 ? 1 : 0;
  }
  EXPECT_GT(damagedSome, 0u);
}

TEST_F(LedgerSnapshots, NoticeEveryCut) {
  fill();
  for (size_t size = 0; size < bytes.size(); ++size) {
    Ledger copy(Ledger::Limits{}, budget);
    const auto count = LedgerSnapshot::decode(std::string_view(bytes).substr(0, size), copy);
    ASSERT_TRUE(!count.ok() || *count > 0) << size;
  }
}

TEST_F(LedgerSnapshots, KeepTheirHeaderTwice) {
  fill();
  for (size_t at = 0; at < 36; ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    const auto header = LedgerSnapshot::peek(damaged);
    ASSERT_TRUE(header.ok()) << at;
    EXPECT_EQ(header->queueId, kQueue);
    EXPECT_EQ(header->sequence, ledger.sequence());
    Ledger copy(Ledger::Limits{}, budget);
    EXPECT_EQ(*LedgerSnapshot::decode(damaged, copy), 1u) << at;
    EXPECT_EQ(copy.streamCount(), 4u);
    damaged.back() = static_cast<char>(damaged.back() ^ 0x10);  // in the copy
    EXPECT_EQ(LedgerSnapshot::peek(damaged).code(), base::Errc::kQuarantine) << at;
  }
}

TEST_F(LedgerSnapshots, RefuseANewerVersion) {
  fill();
  std::string newer = bytes;
  newer[8] = 2;
  base::storeFixed(newer.data() + 32, base::crc32c(std::string_view(newer).substr(0, 32)));
  EXPECT_EQ(LedgerSnapshot::peek(newer).code(), base::Errc::kTooNew);
}

}  // namespace
}  // namespace logtail::aggregator
