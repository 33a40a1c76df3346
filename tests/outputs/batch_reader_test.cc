// From queue entries to batches: verdicts, limits, places to resume at, descriptions, damage.
#include "outputs/batch_reader.h"

#include "common/base/log.h"
#include "tests/outputs/queue_rig.h"
#include "tests/support/fake_clock.h"

namespace logtail::outputs {
namespace {

using aggregator::FrameMaker;
using wal::Verdict;
using Next = BatchReader::Next;

class BatchReaderTest : public testing::Test {
 protected:
  BatchReaderTest() {
    base::setLogLevel(base::LogLevel::kError);
    open(4096);
  }
  void open(uint64_t segmentBytes) {
    queue = std::make_unique<QueueRig>(clock, segmentBytes);
    queue->open();
    seek(1);
  }

  BatchReader& reader() {
    if (!reader_) {
      reader_ = std::make_unique<BatchReader>(
          *queue->fs, *queue->list, queue->report.queueId, limits,
          [this](const event::StreamKey& key) { return described[key]; }, [this] { ++freed; });
      reader_->seek(from);
    }
    return *reader_;
  }
  void seek(uint64_t sequence, uint32_t unit = 0) {
    from = {queue->report.queueId, 1, sequence, unit, 0};
    if (reader_) reader_->seek(from);
  }
  Next next(uint64_t skipThrough = 0) {
    const auto found = reader().next(skipThrough);
    EXPECT_TRUE(found.ok()) << found.message();
    return found.ok() ? *found : Next::kWait;
  }
  BatchPtr batch(uint64_t skipThrough = 0) {
    EXPECT_EQ(next(skipThrough), Next::kBatch);
    return reader().take();
  }
  // Everything up to the durable end.
  std::vector<std::string> lines(uint64_t skipThrough = 0) {
    std::vector<std::string> all;
    while (next(skipThrough) == Next::kBatch) {
      const BatchPtr each = reader().take();
      for (const std::string& line : linesOf(*each)) all.push_back(line);
      for (const auto& [key, tally] : each->skipped) skipped[key] += tally;
    }
    return all;
  }
  static std::vector<std::string> linesOf(const Batch& batch) {
    std::vector<std::string> all;
    for (const Block& block : batch.blocks) {
      for (const event::Record& record : block.records) {
        all.push_back(block.stream->pod + ": " + std::string(record.message));
      }
    }
    return all;
  }
  static std::string at(const wal::Position& position) {
    return std::to_string(position.sequence) + "/" + std::to_string(position.unit);
  }
  // A unit whose CRC is right and whose body is none.
  static FrameMaker::Made spoilt(FrameMaker::Made made) {
    for (size_t i = made.unit.size() - 12; i < made.unit.size(); ++i) made.unit[i] ^= 0x55;
    const uint32_t crc = base::crc32c(std::string_view(made.unit).substr(8));
    base::storeFixed(made.unit.data() + 4, crc);
    EXPECT_TRUE(event::checkUnit(made.unit).ok());
    return made;
  }
  // Alters a byte of the nth entry of this kind in a segment, so that its CRC is wrong.
  void damageEntry(const std::string& segment, wal::EntryKind kind, unsigned nth = 0) {
    auto file = queue->fs->open(segment, base::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    const auto info = queue->list->snapshot().segments;
    for (const wal::SegmentInfo& each : info) {
      if (each.path != segment) continue;
      wal::SegmentWalker walker(**file, each.header, 0, each.readableBytes);
      for (auto found = walker.next(); *found == wal::SegmentWalker::Found::kEntry;
           found = walker.next()) {
        if (walker.entry().header.kind != kind || nth-- > 0) continue;
        const uint64_t place = walker.entryOffset() + wal::kEntryHeaderBytes + 4;
        char byte = 0;
        ASSERT_TRUE((*file)->readAt(place, {&byte, 1}).ok());
        byte ^= 0x7f;
        ASSERT_TRUE((*file)->write(place, {&byte, 1}).ok());
        return;
      }
    }
    FAIL() << "no such entry";
  }
  std::string segment(size_t n) { return queue->list->snapshot().segments.at(n).path; }

  test::FakeClock clock;
  std::unique_ptr<QueueRig> queue;
  BatchLimits limits;
  wal::Position from;
  std::map<event::StreamKey, std::string> described;
  std::map<event::StreamKey, Tally> skipped;
  unsigned freed = 0;

 private:
  std::unique_ptr<BatchReader> reader_;
};

TEST_F(BatchReaderTest, ObeysTheVerdicts) {
  queue->putUnits({queue->unit({0, 1, 2}, 1), queue->unit({0, 1}, 1)},
                  {Verdict::kRepeat, Verdict::kAccept, Verdict::kForbidden, Verdict::kDeclaredGap,
                   Verdict::kUndeclaredGap});
  EXPECT_EQ(lines(), (std::vector<std::string>{"b: line 2", "a: line 4", "b: line 5"}));
}

TEST_F(BatchReaderTest, TakesNoBlockThatHasNoVerdict) {
  wal::Entry entry;
  entry.head = wal::encodeFrameHead({"node-1", 1, 1, 0, 0, {Verdict::kAccept}});
  const std::string body = queue->unit({0, 1}, 1).unit;
  entry.body = body;
  entry.streams = {{queue->key(0), 0, -1}, {queue->key(1), 0, -1}};
  queue->put(std::move(entry));
  EXPECT_EQ(lines(), (std::vector<std::string>{"a: line 1"}));
}

TEST_F(BatchReaderTest, MovesOverEntriesThatAreNoFrames) {
  queue->putOther();
  queue->putFrame({0}, 1);
  queue->putOther();
  EXPECT_EQ(lines().size(), 1u);
  EXPECT_EQ(at(reader().position()), "4/0");
  queue->putOther();
  const BatchPtr empty = batch();
  EXPECT_TRUE(empty->blocks.empty());
  EXPECT_EQ(at(empty->before) + " " + at(empty->after), "4/0 5/0");
  EXPECT_EQ(next(), Next::kWait);
}

struct LimitRow {
  const char* name;
  BatchLimits limits;
  std::vector<std::string> ends;
};

TEST_F(BatchReaderTest, EndsABatchWithTheUnitThatReachesALimit) {
  for (int i = 0; i < 2; ++i) {
    queue->putUnits({queue->unit({0}, 10), queue->unit({1}, 10), queue->unit({2}, 10)});
  }
  const uint64_t raw = event::peekUnit(queue->unit({0}, 10).unit)->rawBytes;
  const LimitRow rows[] = {
      {"units", {.units = 2}, {"1/2", "2/1", "2/3", "3/0"}},
      {"records", {.records = 11}, {"1/2", "2/1", "2/3", "3/0"}},
      {"bytes", {.rawBytes = raw - 20}, {"1/1", "1/2", "1/3", "2/1", "2/2", "2/3", "3/0"}},
      {"none", {}, {"3/0"}},
  };
  for (const LimitRow& row : rows) {
    SCOPED_TRACE(row.name);
    BatchReader bounded(*queue->fs, *queue->list, queue->report.queueId, row.limits, nullptr,
                        [] {});
    bounded.seek({queue->report.queueId, 1, 1, 0, 0});
    std::vector<std::string> ends;
    while (*bounded.next(0) == Next::kBatch) ends.push_back(at(bounded.take()->after));
    EXPECT_EQ(ends, row.ends);
  }
}

TEST_F(BatchReaderTest, SpreadsAFrameOfManyDenseUnitsAndResumesWithinIt) {
  std::vector<FrameMaker::Made> units;
  for (int i = 0; i < 40; ++i) units.push_back(queue->unit({0, 1}, 500));
  queue->putUnits(units);
  queue->putFrame({2}, 1);
  limits.records = 3000;
  std::vector<BatchPtr> batches;
  std::vector<wal::Position> ends;
  uint64_t records = 0;
  while (next() == Next::kBatch) {
    const BatchPtr each = reader().take();
    EXPECT_LE(linesOf(*each).size(), 3000u);
    records += linesOf(*each).size();
    ends.push_back(each->after);
  }
  EXPECT_EQ(records, queue->lines);
  EXPECT_EQ(ends.size(), 14u);
  for (size_t i = 0; i + 1 < ends.size(); ++i) {
    seek(ends[i].sequence, ends[i].unit);
    const auto rest = lines();
    EXPECT_EQ(rest.size(), queue->lines - 3000 * (i + 1)) << at(ends[i]);
    EXPECT_EQ(rest.back(), "c: line 40001");
  }
}

TEST_F(BatchReaderTest, ResumesBehindAnEntryThatIsGoneWithTheWholeOfTheNext) {
  open(64 * 1024);
  queue->putFrame({0, 1}, 1);
  queue->putUnits({queue->unit({0}, 1), queue->unit({1}, 1), queue->unit({0}, 1)});
  queue->putUnits({queue->unit({0}, 1), queue->unit({1}, 1), queue->unit({0}, 1)});
  damageEntry(segment(0), wal::EntryKind::kFrame, 1);
  seek(2, 2);
  EXPECT_EQ(lines(), (std::vector<std::string>{"a: line 6", "b: line 7", "a: line 8"}));
  EXPECT_EQ(reader().queueCounts().lostEntries, 1u);
}

TEST_F(BatchReaderTest, CountsExactlyWhatItSkips) {
  queue->putUnits({queue->unit({0, 1, 0}, 3), queue->unit({1}, 2)},
                  {Verdict::kAccept, Verdict::kRepeat});
  queue->putFrame({0, 1}, 2);
  queue->putFrame({0, 1}, 2);
  const auto rest = lines(2);
  EXPECT_EQ(rest.size(), 4u);
  EXPECT_EQ(skipped, queue->before(3));
}

TEST_F(BatchReaderTest, SkipsTheRestOfAFrameThatItHasBegun) {
  queue->putUnits({queue->unit({0}, 1), queue->unit({1}, 1), queue->unit({2}, 1)});
  limits.units = 1;
  EXPECT_EQ(linesOf(*batch()), (std::vector<std::string>{"a: line 1"}));
  EXPECT_TRUE(lines(1).empty());
  EXPECT_EQ(skipped.size(), 2u);
  EXPECT_EQ(skipped[queue->key(1)].records, 1u);
  EXPECT_EQ(skipped[queue->key(2)].records, 1u);
}

TEST_F(BatchReaderTest, FindsDescriptionsWhereverItBegins) {
  for (int i = 0; i < 60; ++i) queue->putFrame({0, 1}, 3);
  ASSERT_GE(queue->list->size(), 3u);
  for (const uint64_t sequence : {uint64_t{1}, uint64_t{5}, uint64_t{30}, uint64_t{59}}) {
    seek(sequence);
    const auto all = lines();
    ASSERT_EQ(all.size(), 6 * (61 - sequence));
    EXPECT_EQ(all.front(), "a: line " + std::to_string(6 * (sequence - 1) + 1));
  }
}

TEST_F(BatchReaderTest, UsesOneDescriptionAcrossSegments) {
  limits.units = 1000;
  for (int i = 0; i < 60; ++i) queue->putFrame({0}, 3);
  const BatchPtr all = batch();
  for (const Block& block : all->blocks) EXPECT_EQ(block.stream, all->blocks.front().stream);
}

TEST_F(BatchReaderTest, AsksForADescriptionThatIsDamagedAndNamesWhatNobodyKnows) {
  open(64 * 1024);
  queue->putFrame({0}, 1);
  queue->putFrame({1}, 1);
  damageEntry(segment(0), wal::EntryKind::kStream, 1);
  damageEntry(segment(0), wal::EntryKind::kStream, 0);
  described[queue->key(0)] = queue->descriptions[queue->key(0)];
  const auto all = lines();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0], "a: line 1");
  EXPECT_EQ(all[1], toString(queue->key(1)) + ": line 2");
}

TEST_F(BatchReaderTest, NamesStreamsThatTheQueueDescribesByNothing) {
  for (const std::string& nothing : {std::string(), std::string("\x01\xff")}) {
    queue->descriptions[queue->key(0)] = nothing;
    for (int i = 0; i < 30; ++i) queue->putFrame({0}, 3);
  }
  queue->descriptions[queue->key(1)].clear();
  for (int i = 0; i < 30; ++i) queue->putFrame({1}, 3);
  ASSERT_GE(queue->list->size(), 3u);
  for (uint64_t sequence = 1; sequence < 90; sequence += 11) {
    seek(sequence);
    for (const std::string& line : lines()) {
      const bool first = line.starts_with(toString(queue->key(0)) + ": ");
      EXPECT_TRUE(first || line.starts_with(toString(queue->key(1)) + ": ")) << line;
    }
  }
}

TEST_F(BatchReaderTest, LeavesOutAndCountsWhatDoesNotDecode) {
  queue->putUnits({queue->unit({0}, 3), spoilt(queue->unit({1}, 3)), queue->unit({2}, 3)});
  queue->putFrame({0}, 1);
  EXPECT_EQ(lines().size(), 7u);
  EXPECT_EQ(reader().undecodableUnits(), 1u);
  EXPECT_EQ(at(reader().position()), "3/0");
}

TEST_F(BatchReaderTest, LeavesOutAFrameThatIsNone) {
  wal::Entry entry;
  entry.head = "no frame";
  queue->put(std::move(entry));
  queue->putFrame({0}, 1);
  EXPECT_EQ(lines().size(), 1u);
  EXPECT_EQ(reader().undecodableUnits(), 1u);
}

TEST_F(BatchReaderTest, HasNoRoomWhileAllBatchesAreHeldAndTellsWhenOneComesBack) {
  limits.batches = 2;
  limits.units = 1;
  for (int i = 0; i < 4; ++i) queue->putFrame({0}, 1);
  BatchPtr first = batch();
  const BatchPtr second = batch();
  EXPECT_EQ(next(), Next::kNoRoom);
  EXPECT_EQ(freed, 0u);
  first.reset();
  EXPECT_EQ(freed, 1u);
  EXPECT_EQ(linesOf(*batch()), (std::vector<std::string>{"a: line 3"}));
  EXPECT_EQ(linesOf(*second), (std::vector<std::string>{"a: line 2"}));
}

TEST_F(BatchReaderTest, DoesNotWakeItsReaderWhenThereIsNothing) {
  queue->putFrame({0}, 1);
  batch();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(next(), Next::kWait);
  EXPECT_EQ(freed, 0u);
}

TEST_F(BatchReaderTest, LetsABatchOutliveItsReader) {
  queue->putFrame({0}, 3);
  BatchPtr kept;
  {
    BatchReader shortLived(*queue->fs, *queue->list, queue->report.queueId, limits, nullptr,
                           [this] { ++freed; });
    shortLived.seek(from);
    ASSERT_EQ(*shortLived.next(0), Next::kBatch);
    kept = shortLived.take();
  }
  EXPECT_EQ(linesOf(*kept).size(), 3u);
  kept.reset();
  EXPECT_EQ(freed, 0u);
}

TEST_F(BatchReaderTest, GoesOnAfterAReadThatFailed) {
  queue->putFrame({0}, 1);
  queue->putFrame({0}, 1);
  queue->fs->failNth(test::OpKind::kRead, 0, base::Errc::kRetry);
  EXPECT_FALSE(reader().next(0).ok());
  EXPECT_EQ(lines().size(), 2u);
}

}  // namespace
}  // namespace logtail::outputs
