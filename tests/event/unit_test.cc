#include "common/event/unit.h"

#include <gtest/gtest.h>

#include <random>

#include "common/event/unit_writer.h"

namespace logtail::event {
namespace {

BlockHeader start(uint64_t stream, uint64_t from) {
  BlockHeader header;
  header.stream = {{stream, ~stream}};
  header.generation = {stream * 7, 2};
  header.ordinal = 4;
  header.from = from;
  header.observedNanos = 1'796'212'800'000'000'000;
  header.configEpoch = 3;
  return header;
}

// Two blocks, the second with a foreign record, drops, a loss and an open channel.
std::string sample() {
  UnitWriter writer(1);
  writer.beginBlock(start(1, 1000));
  writer.add(1'796'212'800'000'000'005, 1000, 0, "first line", 51);
  writer.add(1'796'212'800'000'000'004, 1051, kRecordStderr, "", 41);
  writer.endBlock(1092, {}, 99, 0);
  writer.beginBlock(start(2, 0));
  writer.addForeign(1'796'212'800'000'000'009, {55, 1}, 123456, 0, "joined", 90);
  writer.drop(DropReason::kEmptyLine, 2, 2);
  writer.lose(LossReason::kUnreadable, 10);
  ChannelStates states;
  states[1] = {ChannelState::Kind::kOpen, {14, 2}, 60, 40};
  writer.endBlock(142, states, 98, kBlockEnd);
  std::string bytes;
  writer.seal(bytes);
  return bytes;
}

TEST(Unit, ComesBackAsItWasWritten) {
  const std::string bytes = sample();
  ASSERT_TRUE(checkUnit(bytes).ok());
  const auto view = UnitView::parse(bytes);
  ASSERT_TRUE(view.ok()) << view.message();
  ASSERT_EQ(view->blocks().size(), 2u);
  const BlockHeader& first = view->blocks()[0];
  EXPECT_EQ(first.stream, (StreamKey{{1, ~uint64_t{1}}}));
  EXPECT_EQ(first.from, 1000u);
  EXPECT_EQ(first.to, 1092u);
  EXPECT_EQ(first.records, 2u);
  EXPECT_EQ(first.recordBytes, 92u);
  EXPECT_EQ(first.minTimeNanos, 1'796'212'800'000'000'004);
  EXPECT_EQ(first.maxTimeNanos, 1'796'212'800'000'000'005);
  EXPECT_EQ(first.tailHash, 99u);
  const BlockHeader& second = view->blocks()[1];
  EXPECT_EQ(second.flags, kBlockEnd);
  EXPECT_EQ(second.lostBytes, 10u);
  EXPECT_EQ(second.lossReason, LossReason::kUnreadable);
  EXPECT_EQ(second.drops[1], (DropCount{2, 2}));
  EXPECT_EQ(second.channels[1].offset, 60u);
  EXPECT_EQ(second.openBytes(), 40u);

  UnitReader reader;
  ASSERT_TRUE(reader.open(*view).ok());
  std::vector<Record> records;
  ASSERT_TRUE(reader.readBlock(0, records).ok());
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].message, "first line");
  EXPECT_EQ(records[1].offset, 1051u);
  EXPECT_EQ(records[1].flags, kRecordStderr);
  EXPECT_EQ(records[1].timeNanos, 1'796'212'800'000'000'004);
  ASSERT_TRUE(reader.readBlock(1, records).ok());
  EXPECT_EQ(records[0].message, "joined");
  EXPECT_EQ(records[0].generation, (GenerationId{55, 1}));
  EXPECT_EQ(records[0].offset, 123456u);
}

TEST(Unit, DigestOfWhatIsReadEqualsTheHeaders) {
  const std::string bytes = sample();
  const auto view = UnitView::parse(bytes);
  UnitReader reader;
  ASSERT_TRUE(reader.open(*view).ok());
  std::vector<Record> records;
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(reader.readBlock(i, records).ok());
    uint64_t digest = 0;
    for (const Record& r : records) {
      digest += recordDigest(identitySeed(view->blocks()[i].stream, r.generation), r.offset,
                             r.timeNanos, r.flags, base::hash64(r.message));
    }
    EXPECT_EQ(digest, view->blocks()[i].digest);
  }
}

TEST(Unit, EveryFlippedByteIsNoticed) {
  const std::string good = sample();
  for (size_t at = 0; at < good.size(); ++at) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      EXPECT_FALSE(checkUnit(bad).ok()) << at;
    }
  }
}

TEST(Unit, EveryTruncationIsNoticed) {
  const std::string good = sample();
  for (size_t size = 0; size < good.size(); ++size) {
    const std::string cut(good, 0, size);
    EXPECT_FALSE(checkUnit(cut).ok()) << size;
    EXPECT_FALSE(UnitView::parse(cut).ok()) << size;
  }
}

TEST(Unit, DamageBehindARightChecksumIsAnErrorNotACrash) {
  const std::string good = sample();
  std::vector<Record> records;
  for (size_t at = 8; at < good.size(); ++at) {
    for (int value = 0; value < 256; value += 5) {
      std::string bad = good;
      bad[at] = static_cast<char>(value);
      const auto view = UnitView::parse(bad);
      if (!view.ok()) continue;
      UnitReader reader;
      if (!reader.open(*view).ok()) continue;
      for (size_t i = 0; i < view->blocks().size(); ++i) (void)reader.readBlock(i, records).ok();
    }
  }
}

TEST(Unit, ANewerVersionIsNamedAndNotCalledDamage) {
  std::string bytes = sample();
  bytes[8] = 2;
  const auto view = UnitView::parse(bytes);
  ASSERT_FALSE(view.ok());
  EXPECT_EQ(view.code(), base::Errc::kTooNew);
}

TEST(Unit, IncompressibleBodyIsStoredAsItIs) {
  std::mt19937_64 random(1);
  std::string noise(100'000, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  UnitWriter writer(1);
  writer.beginBlock(start(1, 0));
  writer.add(1, 0, 0, noise, noise.size() + 1);
  writer.endBlock(noise.size() + 1, {}, 0, 0);
  std::string bytes;
  writer.seal(bytes);
  const auto view = UnitView::parse(bytes);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->header().codec, Codec::kNone);
  UnitReader reader;
  ASSERT_TRUE(reader.open(*view).ok());
  std::vector<Record> records;
  ASSERT_TRUE(reader.readBlock(0, records).ok());
  EXPECT_EQ(records[0].message, noise);
}

TEST(Unit, FillsToItsLimitAndNotBeyond) {
  UnitWriter writer(1);
  writer.beginBlock(start(1, 0));
  uint64_t offset = 0;
  while (writer.fits(100)) {
    writer.addForeign(INT64_MIN / 4, {~uint64_t{0}, ~uint32_t{0}}, ~uint64_t{0}, 0,
                      std::string(100, 'x'), 141);
    offset += 141;
  }
  writer.endBlock(offset, {}, 0, 0);
  EXPECT_LE(writer.rawBytes(), kMaxUnitRaw);
  std::string bytes;
  writer.seal(bytes);
  EXPECT_TRUE(UnitView::parse(bytes).ok());
  EXPECT_TRUE(writer.empty());
}

TEST(Unit, ABlockWithoutRecordsCarriesItsRange) {
  UnitWriter writer(1);
  writer.beginBlock(start(1, 70));
  writer.endBlock(70, {}, 5, kBlockEnd);
  std::string bytes;
  writer.seal(bytes);
  const auto view = UnitView::parse(bytes);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->blocks()[0].to, 70u);
  UnitReader reader;
  ASSERT_TRUE(reader.open(*view).ok());
  std::vector<Record> records;
  EXPECT_TRUE(reader.readBlock(0, records).ok());
  EXPECT_TRUE(records.empty());
}

TEST(RecordId, IsTwentyTwoUrlSafeCharactersAndDependsOnEveryPart) {
  const StreamKey key{{1, 2}};
  const std::string id = recordId(key, {3, 4}, 5);
  EXPECT_EQ(id.size(), 22u);
  EXPECT_EQ(
      id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
  EXPECT_EQ(id, recordId(key, {3, 4}, 5));
  EXPECT_NE(id, recordId({{2, 1}}, {3, 4}, 5));
  EXPECT_NE(id, recordId(key, {4, 4}, 5));
  EXPECT_NE(id, recordId(key, {3, 5}, 5));
  EXPECT_NE(id, recordId(key, {3, 4}, 6));
}

}  // namespace
}  // namespace logtail::event
