#include "agent/record_assembler.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "common/event/unit.h"

namespace logtail::agent {
namespace {

using event::Channel;
using event::ChannelState;
using event::DropReason;

constexpr size_t kMaxLine = 64;
constexpr int64_t kObserved = 1'796'212'800'000'000'000;

std::string cri(const std::string& message, char tag = 'F', const char* stream = "stdout") {
  return std::string("2026-12-02T12:00:00.123456789Z ") + stream + " " + tag + " " + message + "\n";
}

// Feeds file content as a tailer does and reads back what the unit holds. Checks the block law.
class RecordAssembler : public testing::Test {
 protected:
  struct Seen {
    std::string message;
    uint8_t flags;
    uint64_t offset;
    uint64_t fingerprint;
    bool operator==(const Seen&) const = default;
  };

  // Consumes `content` as generation `fingerprint` from offset 0, in slabs of `slab` bytes.
  void feed(const std::string& content, uint64_t fingerprint = 1, size_t slab = 1 << 20) {
    const event::GenerationId generation{fingerprint, 0};
    uint64_t at = 0;
    while (at < content.size()) {
      begin(generation, at);
      const auto got = assembler_.consume(std::string_view(content).substr(at, slab), generation,
                                          at, kObserved, writer_);
      ASSERT_GT(got.bytes, 0u);
      at += got.bytes;
      end(at);
    }
  }

  void begin(const event::GenerationId& generation, uint64_t from) {
    event::BlockHeader start;
    start.generation = generation;
    start.from = from;
    start.observedNanos = kObserved;
    openBefore_ = open();
    writer_.beginBlock(start);
  }

  uint64_t open() const {
    const auto states = assembler_.states();
    return states[0].openBytes + states[1].openBytes;
  }

  void end(uint64_t to) {
    const event::BlockHeader header = writer_.endBlock(to, assembler_.states(), 0, 0);
    EXPECT_EQ(openBefore_ + header.to - header.from,
              header.recordBytes + header.dropBytes() + header.lostBytes + header.openBytes());
    for (size_t i = 0; i < event::kDropReasons; ++i) {
      drops_[i].records += header.drops[i].records;
      drops_[i].bytes += header.drops[i].bytes;
    }
    std::string bytes;
    writer_.seal(bytes);
    const auto view = event::UnitView::parse(bytes);
    ASSERT_TRUE(view.ok()) << view.message();
    ASSERT_TRUE(reader_.open(*view).ok());
    std::vector<event::Record> records;
    ASSERT_TRUE(reader_.readBlock(0, records).ok());
    for (const auto& record : records) {
      seen_.push_back({std::string(record.message),
                       static_cast<uint8_t>(record.flags & ~event::kRecordForeign), record.offset,
                       record.generation.fingerprint});
    }
  }

  std::vector<std::string> messages() const {
    std::vector<std::string> out;
    for (const Seen& seen : seen_) out.push_back(seen.message);
    return out;
  }

  base::MemoryBudget budget_{1 << 20};
  parsers::CriTimeCache cache_;
  agent::AssemblerCounts counts_;
  agent::RecordAssembler assembler_{kMaxLine, budget_, cache_, counts_};
  event::UnitWriter writer_{1};
  event::UnitReader reader_;
  std::vector<Seen> seen_;
  std::array<event::DropCount, event::kDropReasons> drops_{};
  uint64_t openBefore_ = 0;
};

using Messages = std::vector<std::string>;

TEST_F(RecordAssembler, TakesWholeLinesAsTheyAre) {
  feed(cri("one") + cri("") + cri("two", 'F', "stderr"));
  EXPECT_EQ(messages(), (Messages{"one", "", "two"}));
  EXPECT_EQ(seen_[2].flags, event::kRecordStderr);
  EXPECT_EQ(seen_[1].offset, cri("one").size());
}

TEST_F(RecordAssembler, JoinsPartsOfEachChannelByItself) {
  feed(cri("a1", 'P') + cri("b1", 'P', "stderr") + cri("a2", 'P') + cri("b2", 'F', "stderr") +
       cri("a3"));
  EXPECT_EQ(messages(), (Messages{"b1b2", "a1a2a3"}));
  EXPECT_EQ(seen_[1].offset, 0u);
  EXPECT_EQ(seen_[0].offset, cri("a1", 'P').size());
  EXPECT_EQ(budget_.used(), 0u);
}

TEST_F(RecordAssembler, JoinsTheSameInEverySlabSize) {
  const std::string content = cri("a1", 'P') + cri("b1", 'P', "stderr") +
                              cri("whole", 'F', "stderr") + cri("a2") + "not cri\n\n" +
                              cri(std::string(100, 'x')) + cri("z");
  feed(content);
  const auto want = seen_;
  for (size_t slab = 160; slab < content.size(); slab += 7) {
    seen_.clear();
    feed(content, 1, slab);
    EXPECT_EQ(seen_, want) << slab;
  }
}

TEST_F(RecordAssembler, JoinsAcrossGenerations) {
  feed(cri("head", 'P'), 7);
  feed(cri("er", 'F', "stderr") + cri("-tail"), 8);
  EXPECT_EQ(messages(), (Messages{"er", "head-tail"}));
  EXPECT_EQ(seen_[1].fingerprint, 7u);
  EXPECT_EQ(seen_[1].offset, 0u);
}

TEST_F(RecordAssembler, KeepsMalformedLinesAndCountsEmptyOnes) {
  feed("panic: oh no\n\n" + cri("x") + std::string(3, '\0') + "\n");
  EXPECT_EQ(messages(), (Messages{"panic: oh no", "x", std::string(3, '\0')}));
  EXPECT_EQ(seen_[0].flags, event::kRecordMalformed);
  EXPECT_EQ(drops_[static_cast<size_t>(DropReason::kEmptyLine)], (event::DropCount{1, 1}));
  EXPECT_EQ(counts_.malformedLines, 2u);
}

TEST_F(RecordAssembler, CutsAtTheLimitAndDropsTheRestOfTheRecord) {
  const std::string part(40, 'p');
  feed(cri(part, 'P') + cri(part, 'P') + cri(part, 'P') + cri("side", 'F', "stderr") + cri(part) +
       cri("next"));
  EXPECT_EQ(messages(), (Messages{std::string(kMaxLine, 'p'), "side", "next"}));
  EXPECT_EQ(seen_[0].flags, event::kRecordTruncated);
  EXPECT_EQ(drops_[static_cast<size_t>(DropReason::kOverLimit)].bytes, 2 * cri(part).size());
  EXPECT_EQ(counts_.cutAtLimit, 1u);
}

TEST_F(RecordAssembler, ExactlyTheLimitIsNotCut) {
  feed(cri(std::string(40, 'a'), 'P') + cri(std::string(24, 'a')) +
       cri(std::string(kMaxLine, 'b')));
  EXPECT_EQ(messages(), (Messages{std::string(kMaxLine, 'a'), std::string(kMaxLine, 'b')}));
  EXPECT_EQ(seen_[0].flags, 0);
  EXPECT_EQ(seen_[1].flags, 0);
  EXPECT_EQ(counts_.cutAtLimit, 0u);
}

TEST_F(RecordAssembler, CountsWhatOneLongLineHasBeyondTheLimit) {
  feed(cri(std::string(100, 'x')) + cri(std::string(100, 'y'), 'P') + cri("dropped") + cri("kept"));
  EXPECT_EQ(messages(), (Messages{std::string(kMaxLine, 'x'), std::string(kMaxLine, 'y'), "kept"}));
  EXPECT_EQ(drops_[static_cast<size_t>(DropReason::kOverLimit)].bytes,
            2 * (100 - kMaxLine + 1) + cri("dropped").size());
  EXPECT_EQ(counts_.cutAtLimit, 2u);
}

TEST_F(RecordAssembler, EmitsEarlyWhenMemoryIsUsedUp) {
  auto everything = budget_.reserve(budget_.limit());
  feed(cri("half", 'P') + cri("lost", 'P') + cri("lost too") + cri("next"));
  EXPECT_EQ(messages(), (Messages{"half", "next"}));
  EXPECT_EQ(seen_[0].flags, event::kRecordTruncated);
  EXPECT_EQ(counts_.cutForMemory, 1u);
  EXPECT_EQ(counts_.cutAtLimit, 0u);
  EXPECT_GT(drops_[static_cast<size_t>(DropReason::kOverLimit)].bytes, 0u);
}

TEST_F(RecordAssembler, EmitsOpenRecordsAsIncompleteAtStreamEnd) {
  feed(cri("never", 'P') + cri("ended", 'P', "stderr"));
  begin({1, 0}, 1000);
  ASSERT_TRUE(assembler_.finish({1, 0}, writer_));
  end(1000);
  EXPECT_EQ(messages(), (Messages{"never", "ended"}));
  EXPECT_EQ(seen_[1].flags, event::kRecordStderr | event::kRecordIncomplete);
  EXPECT_EQ(open(), 0u);
}

TEST_F(RecordAssembler, StopsBeforeTheLineThatDoesNotFit) {
  std::string content;
  while (content.size() < 2 * event::kMaxUnitRaw) content += cri(std::string(60, 'm'));
  begin({1, 0}, 0);
  const auto got = assembler_.consume(content, {1, 0}, 0, kObserved, writer_);
  EXPECT_EQ(got.stop, agent::RecordAssembler::Stop::kUnitFull);
  EXPECT_LT(got.bytes, content.size());
  EXPECT_EQ(got.bytes % cri(std::string(60, 'm')).size(), 0u);
  end(got.bytes);
}

TEST_F(RecordAssembler, ResumesAnOpenRecordFromTheFileAgain) {
  const std::string before = cri("one", 'P') + cri("err", 'F', "stderr") + cri("two", 'P');
  feed(before);
  const auto states = assembler_.states();
  agent::RecordAssembler again(kMaxLine, budget_, cache_, counts_);
  again.resume(states);
  again.rebuild(Channel::kStdout, before);
  EXPECT_EQ(again.states(), states);
  assembler_.resume({});
  openBefore_ = states[0].openBytes;
  const std::string rest = cri("three");
  event::BlockHeader start;
  start.generation = {1, 0};
  start.from = before.size();
  writer_.beginBlock(start);
  again.consume(rest, {1, 0}, before.size(), kObserved, writer_);
  end(before.size() + rest.size());
  EXPECT_EQ(messages(), (Messages{"err", "onetwothree"}));
}

TEST_F(RecordAssembler, CountsOpenBytesWhoseFileIsGone) {
  feed(cri("gone", 'P'));
  EXPECT_EQ(assembler_.abandon(Channel::kStdout), cri("gone", 'P').size());
  EXPECT_EQ(open(), 0u);
}

TEST_F(RecordAssembler, KeepsTheLawForRandomLines) {
  std::mt19937 random(20261202);
  for (int round = 0; round < 200; ++round) {
    std::string content;
    for (int i = 0; i < 60; ++i) {
      const auto pick = random() % 10;
      const std::string message(random() % 90, static_cast<char>('a' + i % 26));
      if (pick == 0)
        content += "\n";
      else if (pick == 1)
        content += "junk " + message + "\n";
      else
        content += cri(message, pick < 6 ? 'F' : 'P', random() % 2 ? "stdout" : "stderr");
    }
    feed(content, static_cast<uint64_t>(round) + 1, 256 + random() % 2000);  // end() checks the law
  }
  EXPECT_GT(seen_.size(), 1000u);
}

}  // namespace
}  // namespace logtail::agent
