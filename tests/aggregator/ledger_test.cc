#include "aggregator/ledger.h"

#include "tests/aggregator/ledger_fixture.h"

namespace logtail::aggregator {
namespace {

using event::BlockHeader;
using event::Resume;
using wal::Verdict;

TEST_F(LedgerFixture, AcceptsContiguousBlocksAndCountsThem) {
  const auto key = open("n1", "a");
  EXPECT_EQ(send("n1", {block(key, 0, 100), block(key, 100, 250)}).verdicts,
            (std::vector{Verdict::kAccept, Verdict::kAccept}));
  EXPECT_EQ(totals(key).consumedBytes, 250u);
  EXPECT_EQ(totals(key).content.records, 2u);
  EXPECT_EQ(totals(key).content.digest, base::mix64(1) + base::mix64(101));
  EXPECT_EQ(ledger.find(key)->resume.generations[0].to, 250u);
  EXPECT_TRUE(lawHolds(*ledger.find(key)));
}

TEST_F(LedgerFixture, SkipsWhatItKnowsAndSaysWhetherAResendExplainsIt) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  EXPECT_EQ(send("n1", {block(key, 20, 100)}).verdicts, (std::vector{Verdict::kRepeat}));
  EXPECT_EQ(totals(key).repeated, (Tally{1, 80}));
  ledger.apply(++entry, {"n1", life, frame}, std::vector{block(key, 0, 100)},
               std::vector{Verdict::kRepeat});
  EXPECT_EQ(totals(key).resent, (Tally{1, 100}));
  EXPECT_EQ(totals(key).consumedBytes, 100u);
}

TEST_F(LedgerFixture, CountsBytesMissingBeforeABlockAsAnUndeclaredGap) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  EXPECT_EQ(send("n1", {block(key, 130, 200)}).verdicts, (std::vector{Verdict::kUndeclaredGap}));
  EXPECT_EQ(totals(key).gaps, (Tally{1, 30}));
  EXPECT_EQ(send("n1", {block(key, 9, 40, 2, 1)}).verdicts, (std::vector{Verdict::kUndeclaredGap}));
  EXPECT_EQ(totals(key).gaps, (Tally{2, 39}));
  EXPECT_TRUE(lawHolds(*ledger.find(key)));
}

TEST_F(LedgerFixture, TakesAFirstBlockFurtherOnForTheDeclaredStart) {
  const auto key = open("n1", "a");
  EXPECT_EQ(send("n1", {block(key, 5000, 5100, 3, 4)}).verdicts,
            (std::vector{Verdict::kDeclaredGap}));
  EXPECT_EQ(totals(key).startBytes, 5000u);
  EXPECT_EQ(totals(key).gaps, Tally{});
  EXPECT_EQ(ledger.find(key)->resume.startTimeNanos, 5);
}

TEST_F(LedgerFixture, RefusesAnOverlapAndNamesItsStream) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  const Admission answer = judge("n1", {block(key, 50, 150)});
  EXPECT_EQ(answer.kind, Kind::kOverlap);
  EXPECT_EQ(answer.stream, key);
}

TEST_F(LedgerFixture, ForbidsBlocksOfAnotherNodesStream) {
  const auto theirs = open("n1", "a");
  const auto ours = open("n2", "b");
  EXPECT_EQ(send("n2", {block(ours, 0, 10), block(theirs, 0, 10)}).verdicts,
            (std::vector{Verdict::kAccept, Verdict::kForbidden}));
  EXPECT_EQ(totals(theirs).consumedBytes, 0u);
  EXPECT_EQ(totals(theirs).forbidden, (Tally{1, 10}));
}

TEST_F(LedgerFixture, AFrameIsAdmittedWholeOrNotAtAll) {
  const auto key = open("n1", "a");
  BlockHeader unlawful = block(key, 100, 200);
  unlawful.recordBytes = 99;
  EXPECT_EQ(send("n1", {block(key, 0, 100), unlawful}).kind, Kind::kPoison);
  EXPECT_EQ(totals(key).consumedBytes, 0u);
  EXPECT_TRUE(ledger.find(key)->resume.empty());
  // The judged but not applied block is still new.
  EXPECT_EQ(send("n1", {block(key, 0, 100)}).verdicts, (std::vector{Verdict::kAccept}));
}

TEST_F(LedgerFixture, AsksForTheStreamFirst) {
  const auto key = describe("n1", "nobody said").key();
  EXPECT_EQ(judge("n1", {block(key, 0, 1)}).kind, Kind::kUnknownStream);
}

struct Poison {
  const char* name;
  void (*spoil)(BlockHeader&);
};
class LedgerPoison : public LedgerFixture, public testing::WithParamInterface<Poison> {};

TEST_P(LedgerPoison, IsRefused) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  BlockHeader b = block(key, 100, 200);
  ASSERT_EQ(judge("n1", {b}).kind, Kind::kAdmit);
  GetParam().spoil(b);
  EXPECT_EQ(judge("n1", {b}).kind, Kind::kPoison);
}

INSTANTIATE_TEST_SUITE_P(
    Blocks, LedgerPoison,
    testing::Values(
        Poison{"RecordBytesTooFew", [](BlockHeader& b) { b.recordBytes -= 1; }},
        Poison{"RecordBytesTooMany", [](BlockHeader& b) { b.recordBytes += 1; }},
        Poison{"DropsTwice", [](BlockHeader& b) { b.drops[0].bytes = 3; }},
        Poison{"LossTwice", [](BlockHeader& b) { b.lostBytes = 3; }},
        Poison{"OpenBytesFromNowhere", [](BlockHeader& b) { b.channels[0] = openAt(100, 7); }},
        Poison{"SumsThatWrap",
               [](BlockHeader& b) {
                 b.recordBytes = uint64_t{1} << 63;
                 b.lostBytes = (uint64_t{1} << 63) + 100;
               }},
        Poison{"DigestOfNothing",
               [](BlockHeader& b) {
                 b.records = 0;
                 b.lostBytes = b.recordBytes;
                 b.recordBytes = 0;
               }},
        Poison{"TimesOutOfOrder", [](BlockHeader& b) { b.maxTimeNanos = b.minTimeNanos - 1; }}),
    [](const auto& row) { return row.param.name; });

TEST_F(LedgerFixture, FollowsAnOpenRecordAcrossBlocksAndGenerations) {
  const auto key = open("n1", "a");
  BlockHeader first = block(key, 0, 100);
  first.recordBytes = 60;
  first.channels[0] = openAt(60, 40);
  first.flags = event::kBlockEnd;
  EXPECT_EQ(send("n1", {first}).verdicts, (std::vector{Verdict::kAccept}));
  BlockHeader second = block(key, 0, 20, 2, 1);
  second.recordBytes = 60;  // 40 open before, 20 of its own
  EXPECT_EQ(send("n1", {second}).verdicts, (std::vector{Verdict::kAccept}));
  EXPECT_TRUE(lawHolds(*ledger.find(key)));
  EXPECT_EQ(totals(key).openAdjust, 0u);
}

TEST_F(LedgerFixture, TakesABlockWithoutBytesOnceWhenItSaysSomethingNew) {
  const auto key = open("n1", "a");
  BlockHeader first = block(key, 0, 100);
  first.recordBytes = 60;
  first.channels[0] = openAt(60, 40);
  send("n1", {first});

  BlockHeader flushed = block(key, 100, 100);
  flushed.records = 1;
  flushed.recordBytes = 40;
  flushed.digest = 99;
  flushed.flags = event::kBlockEnd;
  EXPECT_EQ(send("n1", {flushed}).verdicts, (std::vector{Verdict::kAccept}));
  EXPECT_EQ(send("n1", {flushed}).verdicts, (std::vector{Verdict::kRepeat}));
  BlockHeader end = block(key, 100, 100);
  end.flags = event::kBlockEnd;
  EXPECT_EQ(send("n1", {end}).verdicts, (std::vector{Verdict::kRepeat}));
  EXPECT_EQ(totals(key).content.records, 2u);
  EXPECT_EQ(totals(key).content.digest, first.digest + 99);
}

TEST_F(LedgerFixture, KeepsGenerationsWithoutAnEndInMind) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100), block(key, 0, 50, 2, 1)});
  EXPECT_EQ(ledger.find(key)->unfinished(), 1u);
  BlockHeader late = block(key, 100, 120);
  late.flags = event::kBlockEnd | event::kBlockLate;
  EXPECT_EQ(send("n1", {late}).verdicts, (std::vector{Verdict::kAccept}));
  EXPECT_EQ(ledger.find(key)->unfinished(), 0u);
}

TEST_F(LedgerFixture, TakesALostTailForTheEnd) {
  const auto key = open("n1", "a");
  BlockHeader cut = block(key, 0, 100);
  cut.flags = event::kBlockTailLost;
  cut.lossReason = event::LossReason::kRotatedAway;
  send("n1", {cut, block(key, 0, 50, 2, 1)});
  EXPECT_EQ(ledger.find(key)->unfinished(), 0u);
  EXPECT_EQ(totals(key).tailsLost, 1u);
}

TEST_F(LedgerFixture, ForgetsTheOldestGenerationsAndCountsThoseWithoutAnEnd) {
  const auto key = open("n1", "a");
  for (uint32_t i = 0; i < event::kMaxGenerations + 3; ++i) {
    BlockHeader b = block(key, 0, 10, i + 1, i);
    if (i > 0) b.flags = event::kBlockEnd;
    EXPECT_EQ(send("n1", {b}).verdicts, (std::vector{Verdict::kAccept}));
  }
  EXPECT_EQ(ledger.find(key)->resume.generations.size(), event::kMaxGenerations);
  EXPECT_EQ(totals(key).unfinishedForgotten, 1u);
  EXPECT_EQ(ledger.letGo().generations, 1u);
}

TEST_F(LedgerFixture, CountsPossibleRepeats) {
  const auto key = open("n1", "a");
  BlockHeader b = block(key, 0, 10);
  b.flags = event::kBlockInDoubt;
  send("n1", {b, block(key, 10, 30)});
  EXPECT_EQ(totals(key).inDoubt, (Tally{1, 10}));
}

BlockHeader epochOf(BlockHeader b, uint32_t epoch) {
  b.generation.epoch = epoch;
  b.ordinal += epoch;
  b.observedNanos = b.minTimeNanos + 2'000'000'000;
  return b;
}

TEST_F(LedgerFixture, CountsAGenerationThatIsBegunAgainWithAllItsBytes) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100), epochOf(block(key, 0, 60), 1), epochOf(block(key, 60, 130), 1)});
  EXPECT_EQ(totals(key).begunAgain, (Tally{1, 130}));
  EXPECT_EQ(totals(key).doubled, Tally{}) << "where the first one stood no block of it ended";
  send("n1", {epochOf(block(key, 0, 40), 2), block(key, 0, 10, 2, 3)});
  EXPECT_EQ(totals(key).begunAgain, (Tally{2, 170}));
}

TEST_F(LedgerFixture, ProvesThatAGenerationCameAgainByTheEndOfTheFirst) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100), epochOf(block(key, 0, 60), 1), epochOf(block(key, 60, 100), 1)});
  EXPECT_EQ(totals(key).begunAgain, (Tally{1, 100}));
  EXPECT_EQ(totals(key).doubled, (Tally{1, 100}));
  BlockHeader end = epochOf(block(key, 100, 100), 1);
  end.flags = event::kBlockEnd;
  send("n1", {end, epochOf(block(key, 100, 120), 1)});
  EXPECT_EQ(totals(key).doubled, (Tally{1, 100})) << "once";
}

TEST_F(LedgerFixture, DoesNotProveWhatMayBeRight) {
  const auto key = open("n1", "a");
  BlockHeader other = epochOf(block(key, 0, 100), 1);
  other.tailHash = 7;  // other bytes
  BlockHeader timeless = epochOf(block(key, 0, 100), 2);
  timeless.minTimeNanos = timeless.maxTimeNanos = timeless.observedNanos;
  BlockHeader doubtful = epochOf(block(key, 0, 100), 3);
  doubtful.flags = event::kBlockInDoubt;
  send("n1", {block(key, 0, 100), other, timeless, doubtful});
  EXPECT_EQ(totals(key).begunAgain, (Tally{3, 300}));
  EXPECT_EQ(totals(key).doubled, Tally{});
  const auto unknown = open("n1", "b");
  send("n1", {epochOf(block(unknown, 0, 100), 4)});
  EXPECT_EQ(totals(unknown).begunAgain, Tally{}) << "no earlier epoch is known";
}

TEST_F(LedgerFixture, AppliesAnEntryOnce) {
  const auto key = open("n1", "a");
  const std::vector blocks{block(key, 0, 100)};
  ledger.apply(10, {"n1", life, 1}, blocks, std::vector{Verdict::kAccept});
  ledger.apply(10, {"n1", life, 1}, blocks, std::vector{Verdict::kAccept});
  ledger.apply(9, {"n1", life, 1}, blocks, std::vector{Verdict::kAccept});
  EXPECT_EQ(totals(key).consumedBytes, 100u);
  EXPECT_EQ(ledger.sequence(), 10u);
}

TEST_F(LedgerFixture, CountsWhatReplayMissesAsLostAfterAck) {
  const auto key = open("n1", "a");
  ledger.apply(2, {"n1", life, 1}, std::vector{block(key, 0, 100)}, std::vector{Verdict::kAccept});
  // Entry 3, bytes 100 to 160, is damaged.
  ledger.apply(4, {"n1", life, 3}, std::vector{block(key, 160, 200)},
               std::vector{Verdict::kAccept});
  EXPECT_EQ(totals(key).lostAfterAck, (Tally{1, 60}));
  EXPECT_EQ(totals(key).gaps, Tally{});
}

TEST_F(LedgerFixture, RemembersTheNewestFrameOfALife) {
  const auto key = open("n1", "a");
  frame = 41;
  send("n1", {block(key, 0, 10)});
  EXPECT_EQ(ledger.findNode("n1")->lastFrame, 42u);
  life = 2;
  frame = 6;
  send("n1", {block(key, 10, 20)});
  EXPECT_EQ(ledger.findNode("n1")->life, 2u);
  EXPECT_EQ(ledger.findNode("n1")->lastFrame, 7u);
  EXPECT_EQ(ledger.find(key)->ofLife.bytes, 10u);
}

}  // namespace
}  // namespace logtail::aggregator
