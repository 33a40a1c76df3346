// The ledger against a reference that knows every byte: a random log of two channels, cut into
// blocks at random, sent, resent, hidden, overlapped, and replayed from random snapshots.

#include <optional>
#include <random>

#include "aggregator/ledger_snapshot.h"
#include "tests/aggregator/ledger_fixture.h"

namespace logtail::aggregator {
namespace {

using event::BlockHeader;
using wal::Verdict;

// What a line is part of. Records of one channel may span lines, and files.
struct Line {
  uint64_t length = 0;
  size_t channel = 0;
  enum class Fate { kOpens, kCloses, kWhole, kDropped, kLost } fate = Fate::kWhole;
};

// One stream's files, and how far its blocks have been cut.
class Log {
 public:
  Log(const event::StreamKey& key, std::mt19937_64& random) : key_(key), random_(random) {}

  // The next block: some lines of the current file, or its end and the next file.
  BlockHeader cut() {
    BlockHeader b = block(key_, at_, at_, fingerprint_, ordinal_);
    const size_t lines = random_() % 5;
    for (size_t i = 0; i < lines; ++i) take(nextLine(), b);
    b.to = at_;
    b.tailHash = at_;
    b.channels = channels_;
    if (b.records > 0) b.minTimeNanos = b.maxTimeNanos = 5;
    if (random_() % 6 == 0 && at_ > 0) {
      b.flags |= event::kBlockEnd;
      ++fingerprint_;
      ++ordinal_;
      at_ = 0;
    }
    return b;
  }

 private:
  Line nextLine() {
    Line line;
    line.length = 1 + random_() % 50;
    line.channel = random_() % 2;
    const bool open = channels_[line.channel].kind == event::ChannelState::Kind::kOpen;
    switch (random_() % 6) {
      case 0:
        line.fate = open ? Line::Fate::kCloses : Line::Fate::kDropped;
        break;
      case 1:
        line.fate = open ? Line::Fate::kCloses : Line::Fate::kLost;
        break;
      case 2:
      case 3:
        line.fate = open ? Line::Fate::kCloses : Line::Fate::kWhole;
        break;
      default:
        line.fate = Line::Fate::kOpens;
        break;
    }
    return line;
  }

  void take(const Line& line, BlockHeader& b) {
    event::ChannelState& channel = channels_[line.channel];
    switch (line.fate) {
      case Line::Fate::kOpens:
        if (channel.kind == event::ChannelState::Kind::kNone) {
          channel = openAt(at_, 0, fingerprint_);
        }
        channel.openBytes += line.length;
        break;
      case Line::Fate::kCloses:
      case Line::Fate::kWhole:
        b.recordBytes += channel.openBytes + line.length;
        ++b.records;
        b.digest += random_();
        channel = {};
        break;
      case Line::Fate::kDropped:
        ++b.drops[random_() % event::kDropReasons].records;
        b.drops[random_() % event::kDropReasons].bytes += line.length;
        break;
      case Line::Fate::kLost:
        b.lostBytes += line.length;
        b.lossReason = event::LossReason::kUnreadable;
        break;
    }
    at_ += line.length;
  }

  const event::StreamKey key_;
  std::mt19937_64& random_;
  uint64_t fingerprint_ = 1;
  uint32_t ordinal_ = 0;
  uint64_t at_ = 0;
  event::ChannelStates channels_;
};

// Every consumed byte by itself.
struct Reference {
  std::map<event::GenerationId, std::vector<bool>> bytes;
  std::vector<BlockHeader> taken;
  uint64_t gapBytes = 0;

  // As the ledger should judge, from the bytes alone. Nothing: the frame must be refused.
  std::optional<Verdict> judge(const BlockHeader& b) const {
    const auto at = bytes.find(b.generation);
    const uint64_t known = at == bytes.end() ? 0 : at->second.size();
    if (b.from == b.to && at != bytes.end()) {
      for (const BlockHeader& before : taken) {
        if (before == b) return Verdict::kRepeat;
      }
      return std::nullopt;  // the caller does not send others late
    }
    if (at != bytes.end() && b.to <= known) return Verdict::kRepeat;
    if (b.from < known) return std::nullopt;
    if (b.from == known) return Verdict::kAccept;
    return taken.empty() ? Verdict::kDeclaredGap : Verdict::kUndeclaredGap;
  }

  void take(const BlockHeader& b, Verdict verdict) {
    std::vector<bool>& file = bytes[b.generation];
    if (verdict == Verdict::kUndeclaredGap) gapBytes += b.from - file.size();
    file.resize(b.from, false);
    file.resize(b.to, true);
    taken.push_back(b);
  }

  uint64_t consumed() const {
    uint64_t count = 0;
    for (const auto& [id, file] : bytes) count += std::count(file.begin(), file.end(), true);
    return count;
  }
};

class LedgerModel : public LedgerFixture, public testing::WithParamInterface<int> {
 protected:
  void reloadFromSnapshot() {
    const std::string bytes = LedgerSnapshot::encode(ledger, 9);
    Ledger copy(Ledger::Limits{}, budget);
    ASSERT_EQ(*LedgerSnapshot::decode(bytes, copy), 0u);
    copy.forEach([&](const StreamState& s) { EXPECT_EQ(s, *ledger.find(s.key)); });
    ledger.clear();
    ASSERT_EQ(*LedgerSnapshot::decode(bytes, ledger), 0u);
  }

  void compare(const event::StreamKey& key, const Reference& reference) {
    const StreamState& stream = *ledger.find(key);
    EXPECT_TRUE(lawHolds(stream));
    EXPECT_EQ(stream.totals.consumedBytes, reference.consumed());
    EXPECT_EQ(stream.totals.gaps.bytes, reference.gapBytes);
    Content content;
    uint64_t drops = 0;
    uint64_t lost = 0;
    for (const BlockHeader& b : reference.taken) {
      content.add({b.records, b.recordBytes, b.digest});
      drops += b.dropBytes();
      lost += b.lostBytes;
    }
    EXPECT_EQ(stream.totals.content, content);
    EXPECT_EQ(stream.totals.dropBytes(), drops);
    EXPECT_EQ(stream.totals.lostBytes(), lost);
    for (const auto& generation : stream.resume.generations) {
      EXPECT_EQ(generation.to, reference.bytes.at(generation.id).size());
    }
  }
};

TEST_P(LedgerModel, AgreesWithTheBytes) {
  std::mt19937_64 random(GetParam());
  const bool faults = GetParam() % 2 == 1;  // without them there must be no gap, no adjustment
  std::vector<event::StreamKey> keys{open("n1", "a"), open("n1", "b"), open("n1", "c")};
  std::vector<Log> logs;
  for (const auto& key : keys) logs.emplace_back(key, random);
  std::vector<Reference> references(keys.size());

  for (int step = 0; step < 400; ++step) {
    std::vector<BlockHeader> frameBlocks;
    std::vector<Verdict> expected;
    std::vector<Reference> draft = references;
    bool refused = false;
    const size_t count = 1 + random() % 4;
    for (size_t i = 0; i < count && !refused; ++i) {
      const size_t which = random() % keys.size();
      BlockHeader b;
      std::optional<Verdict> verdict;
      const uint64_t dice = random() % 10;
      if (dice < 7 || draft[which].taken.empty()) {
        b = logs[which].cut();
        if (faults && dice == 6 && b.to > b.from) b = logs[which].cut();  // one is hidden
        if (b.from == b.to && b.flags == 0 && b.from == 0) continue;
        const auto known = draft[which].bytes.find(b.generation);
        const bool news = known == draft[which].bytes.end() || b.to > b.from;
        verdict = news ? draft[which].judge(b) : std::optional<Verdict>();
        if (!news) {
          if (known->second.size() != b.from || (b.flags & event::kBlockEnd) == 0) continue;
          verdict = Verdict::kAccept;
        }
      } else if (dice < 9) {
        b = draft[which].taken[random() % draft[which].taken.size()];
        if (b.from == b.to) continue;
        verdict = draft[which].judge(b);
      } else {
        b = draft[which].taken.back();
        if (b.to < b.from + 2) continue;
        b.from += 1;
        b.to += 1;  // overlaps by all but one byte
        verdict = std::nullopt;
      }
      frameBlocks.push_back(b);
      refused = !verdict.has_value();
      if (refused) break;
      expected.push_back(*verdict);
      if (wal::isAccepted(*verdict)) draft[which].take(b, *verdict);
    }
    const Admission answer = send("n1", frameBlocks);
    ASSERT_EQ(answer.kind == Kind::kAdmit, !refused) << "step " << step << " " << answer.reason;
    ASSERT_EQ(answer.verdicts, expected) << "step " << step;
    if (!refused) {
      references = draft;
    } else {
      // What the refused frame held is cut already: for the logs it is hidden now.
      for (size_t i = 0; !faults && i < frameBlocks.size(); ++i) send("n1", {frameBlocks[i]});
      if (!faults) {
        for (size_t i = 0; i + 1 < frameBlocks.size(); ++i) {
          const auto which = static_cast<size_t>(
              std::find(keys.begin(), keys.end(), frameBlocks[i].stream) - keys.begin());
          if (wal::isAccepted(expected[i])) references[which].take(frameBlocks[i], expected[i]);
        }
      }
    }
    if (random() % 50 == 0) reloadFromSnapshot();
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    compare(keys[i], references[i]);
    if (!faults) {
      EXPECT_EQ(totals(keys[i]).gaps, Tally{});
      EXPECT_EQ(totals(keys[i]).openAdjust, 0u);
      EXPECT_EQ(ledger.find(keys[i])->unfinished(), 0u);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LedgerModel, testing::Range(0, 60));

}  // namespace
}  // namespace logtail::aggregator
