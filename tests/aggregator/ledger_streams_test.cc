// Opening, ending and forgetting streams; the agents' own counts.

#include "tests/aggregator/ledger_fixture.h"

namespace logtail::aggregator {
namespace {

using event::Resume;
using OpenStatus = Ledger::OpenStatus;

constexpr uint64_t kQueue = 77;
constexpr uint64_t kOtherQueue = 78;

Resume resumeAt(uint64_t to, uint64_t fingerprint = 1, uint32_t ordinal = 0) {
  Resume resume;
  resume.generations.push_back({{fingerprint, 0}, ordinal, false, to, to});
  return resume;
}

class LedgerStreams : public LedgerFixture {
 protected:
  Ledger::Open ask(const std::string& node, const std::string& pod,
                   const Resume* checkpoint = nullptr, uint64_t queue = kQueue) {
    const event::StreamDescription description = describe("n1", pod);
    const std::string bytes = encoded(description);
    auto open = ledger.judgeOpen({node, description.key(), bytes, checkpoint, queue}, kQueue);
    EXPECT_TRUE(open.ok());
    return open.ok() ? *open : Ledger::Open{};
  }
};

TEST_F(LedgerStreams, AnswersNewForAStreamNobodyKnows) {
  const Ledger::Open answer = ask("n1", "a");
  EXPECT_EQ(answer.status, OpenStatus::kNew);
  EXPECT_TRUE(answer.store);
  EXPECT_FALSE(answer.declares);
  EXPECT_EQ(ledger.streamCount(), 0u);
}

TEST_F(LedgerStreams, TheLedgerWinsOverAnOlderCheckpoint) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  const Resume behind = resumeAt(40);
  const Ledger::Open answer = ask("n1", "a", &behind);
  EXPECT_EQ(answer.status, OpenStatus::kKnown);
  EXPECT_EQ(answer.resume.generations[0].to, 100u);
  EXPECT_FALSE(answer.store);
}

TEST_F(LedgerStreams, SaysLostAfterAckWhenItIsBehindItsOwnAcknowledgement) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  const Resume ahead = resumeAt(140);
  EXPECT_EQ(ask("n1", "a", &ahead).status, OpenStatus::kLostAfterAck);
  EXPECT_EQ(ask("n1", "a", &ahead).resume.generations[0].to, 100u);
  EXPECT_EQ(ask("n1", "never seen", &ahead).status, OpenStatus::kLostAfterAck);
  const Resume newer = resumeAt(10, 2, 1);
  EXPECT_EQ(ask("n1", "a", &newer).status, OpenStatus::kLostAfterAck);
}

TEST_F(LedgerStreams, TakesOverTheCheckpointOfAnotherQueue) {
  const Resume checkpoint = resumeAt(500);
  const Ledger::Open answer = ask("n1", "a", &checkpoint, kOtherQueue);
  EXPECT_EQ(answer.status, OpenStatus::kMoved);
  EXPECT_TRUE(answer.declares);
  const auto key = open("n1", "a", &answer.resume);
  EXPECT_EQ(totals(key).moved, (Tally{1, 500}));
  EXPECT_EQ(send("n1", {block(key, 500, 600)}).verdicts, (std::vector{wal::Verdict::kAccept}));
  EXPECT_EQ(totals(key).gaps, Tally{});
  EXPECT_TRUE(lawHolds(*ledger.find(key)));
}

TEST_F(LedgerStreams, DeclaresWhatAStreamDidElsewhereBeforeItCameBack) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  Resume elsewhere = resumeAt(700);
  elsewhere.channels[0] = openAt(650, 50);
  const Ledger::Open answer = ask("n1", "a", &elsewhere, kOtherQueue);
  EXPECT_EQ(answer.status, OpenStatus::kMoved);
  open("n1", "a", &answer.resume);
  EXPECT_EQ(totals(key).moved, (Tally{1, 600}));
  event::BlockHeader next = block(key, 700, 710);
  next.recordBytes = 60;
  EXPECT_EQ(send("n1", {next}).verdicts, (std::vector{wal::Verdict::kAccept}));
  EXPECT_TRUE(lawHolds(*ledger.find(key)));
}

TEST_F(LedgerStreams, ForbidsAnotherNodesStream) {
  open("n1", "a");
  EXPECT_EQ(ask("n2", "a").status, OpenStatus::kForbidden);
}

TEST_F(LedgerStreams, StoresAChangedDescription) {
  open("n1", "a");
  EXPECT_FALSE(ask("n1", "a").store);
  event::StreamDescription changed = describe("n1", "a");
  changed.labels = {{"tier", "gold"}};
  const std::string bytes = encoded(changed);
  EXPECT_TRUE(ledger.judgeOpen({"n1", changed.key(), bytes, nullptr, 0}, kQueue)->store);
}

TEST_F(LedgerStreams, RefusesMoreStreamsThanANodeMayHave) {
  Ledger small(Ledger::Limits{.streamsPerNode = 1}, budget);
  small.applyOpen(1, "n1", describe("n1", "a").key(), "x", nullptr);
  const auto answer = small.judgeOpen({"n1", describe("n1", "b").key(), "x", nullptr, 0}, kQueue);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.code(), base::Errc::kPushBack);
}

TEST_F(LedgerStreams, LetsEndedStreamsGoEarlyForRoomAndDoubtsWhatComesAfter) {
  Ledger small(Ledger::Limits{.streamsPerNode = 1}, budget);
  const auto a = describe("n1", "a").key();
  const auto b = describe("n1", "b").key();
  small.applyOpen(1, "n1", a, "x", nullptr);
  small.apply(2, {"n1", 1, 1}, std::vector{block(a, 0, 10)}, std::vector{wal::Verdict::kAccept});
  small.applyStreamEnd(3, a, 1000);
  ASSERT_TRUE(small.judgeOpen({"n1", b, "x", nullptr, 0}, kQueue).ok());
  EXPECT_EQ(small.find(a), nullptr);
  EXPECT_EQ(small.retired().consumedBytes, 10u);
  EXPECT_EQ(small.findNode("n1")->forcedForgets, 1u);
  EXPECT_EQ(small.letGo().streams, 1u);
  small.applyOpen(4, "n1", b, "x", nullptr);
  small.apply(5, {"n1", 1, 2}, std::vector{block(b, 0, 30)}, std::vector{wal::Verdict::kAccept});
  EXPECT_EQ(small.find(b)->totals.inDoubt, (Tally{1, 30}));
}

TEST_F(LedgerStreams, RefusesStreamsBeyondTheMemoryBudget) {
  base::MemoryBudget tiny(100);
  Ledger small(Ledger::Limits{}, tiny);
  EXPECT_EQ(small.judgeOpen({"n1", describe("n1", "b").key(), "x", nullptr, 0}, kQueue).code(),
            base::Errc::kPushBack);
  // What the queue holds is taken all the same.
  small.applyOpen(1, "n1", describe("n1", "a").key(), "x", nullptr);
  EXPECT_EQ(small.streamCount(), 1u);
  EXPECT_GT(small.unbudgetedBytes(), 0u);
}

TEST_F(LedgerStreams, ForgetsEndedStreamsAndKeepsTheirTotals) {
  const auto a = open("n1", "a");
  const auto b = open("n1", "b");
  send("n1", {block(a, 0, 10), block(b, 0, 20)});
  const uint64_t digest = totals(a).content.digest;
  ledger.applyStreamEnd(++entry, a, 1000);
  EXPECT_EQ(ledger.forgetEnded(1000), 0u);
  EXPECT_EQ(ledger.forgetEnded(1001), 1u);
  EXPECT_EQ(ledger.find(a), nullptr);
  EXPECT_EQ(ledger.retired().content, (Content{1, 10, digest}));
  EXPECT_EQ(ledger.findNode("n1")->streams, 1u);
}

wire::Stats statsOf(const event::StreamKey& key, uint64_t sealed, uint64_t pending,
                    uint64_t known) {
  wire::Stats stats;
  stats.timeNanos = 123;
  stats.pendingBytes = pending;
  stats.streams.push_back({key, sealed, 0, sealed, 1, 9, known});
  return stats;
}

TEST_F(LedgerStreams, KeepsWhatWasAcceptedWhenTheAgentCounted) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  ledger.applyStats(++entry, "n1", life, statsOf(key, 130, 30, 5));
  send("n1", {block(key, 100, 130)});
  const AgentCounts& agent = ledger.find(key)->agent;
  EXPECT_EQ(agent.sealed.bytes, 130u);
  EXPECT_EQ(agent.accepted.bytes, 100u);
  EXPECT_EQ(agent.pendingBytes, 30u);
  EXPECT_EQ(ledger.find(key)->ofLife.bytes, 130u);
}

TEST_F(LedgerStreams, IgnoresStatsAboutAnotherNodesStream) {
  const auto key = open("n1", "a");
  ledger.applyStats(++entry, "n2", life, statsOf(key, 130, 30, 5));
  EXPECT_EQ(ledger.find(key)->agent, AgentCounts{});
}

TEST_F(LedgerStreams, BooksWhatAForgottenNodeStillHad) {
  const auto key = open("n1", "a");
  send("n1", {block(key, 0, 100)});
  ledger.applyStats(++entry, "n1", life, statsOf(key, 130, 30, 1000));
  const auto forget = ledger.judgeForget("n1");
  ASSERT_TRUE(forget.ok());
  ASSERT_EQ(forget->losses.size(), 1u);
  EXPECT_EQ(forget->losses[0].bytes, 1030u);
  ledger.applyForget(++entry, *forget);
  EXPECT_EQ(totals(key).lostWithNode, 1030u);
  EXPECT_TRUE(ledger.findNode("n1")->forgotten);
  EXPECT_EQ(ledger.forgetEnded(1'000'000), 1u);
  EXPECT_EQ(ledger.findNode("n1"), nullptr);
  EXPECT_EQ(ledger.retired().lostWithNode, 1030u);
  EXPECT_EQ(ledger.judgeForget("n1").code(), base::Errc::kNotFound);
}

}  // namespace
}  // namespace logtail::aggregator
