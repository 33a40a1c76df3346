#pragma once
// A queue of real frames on a disk of the test's, and what each of its entries holds: for tests of
// whatever reads it for an output.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/wal/queue_writer.h"
#include "outputs/output_runner.h"
#include "tests/aggregator/frame_maker.h"
#include "tests/outputs/test_batch.h"
#include "tests/support/crash_file_system.h"

namespace logtail::outputs {

using StreamTallies = std::map<event::StreamKey, Tally>;

class QueueRig {
 public:
  explicit QueueRig(base::Clock& clock, uint64_t segmentBytes = 4096)
      : clock_(clock), segmentBytes_(segmentBytes) {
    for (const auto& stream : streams_) {
      event::encode(*stream, descriptions[stream->key()]);
    }
  }

  std::unique_ptr<test::CrashFileSystem> fs = std::make_unique<test::CrashFileSystem>();
  std::unique_ptr<wal::SegmentList> list;
  std::unique_ptr<wal::QueueWriter> writer;
  wal::RecoveryReport report;
  aggregator::FrameMaker maker;
  std::map<event::StreamKey, std::string> descriptions;  // what the queue describes streams by
  std::map<uint64_t, StreamTallies> accepted;            // of each entry
  uint64_t lines = 0;  // in accepted blocks: "line 1" to "line <lines>" while none is refused

  void open() {
    writer.reset();
    list = std::make_unique<wal::SegmentList>();
    wal::QueueOptions options;
    options.directory = "/data/queue";
    options.segmentBytes = segmentBytes_;
    auto opened = wal::QueueWriter::open(
        *fs, clock_, *list, options,
        [this](const event::StreamKey& key) { return descriptions[key]; }, report);
    ASSERT_TRUE(opened.ok()) << opened.message();
    writer = std::move(*opened);
  }
  void crash(uint64_t seed) {
    writer.reset();
    fs = fs->crash(seed);
    open();
  }

  const event::StreamDescription& stream(size_t n) const { return *streams_[n]; }
  event::StreamKey key(size_t n) const { return streams_[n]->key(); }

  // A frame of these units; verdicts are kAccept where `verdicts` ends. The entry's sequence.
  uint64_t putUnits(const std::vector<aggregator::FrameMaker::Made>& units,
                    std::vector<wal::Verdict> verdicts = {}) {
    const uint64_t sequence = writer->nextSequence();
    wal::Entry entry;
    size_t block = 0;
    for (const auto& unit : units) {
      for (const event::BlockHeader& header : unit.blocks) {
        if (verdicts.size() == block) verdicts.push_back(wal::Verdict::kAccept);
        if (!wal::isAccepted(verdicts[block++])) continue;
        entry.streams.push_back({header.stream, 0, -1});
        accepted[sequence][header.stream] += {header.records, header.recordBytes, header.digest};
        lines += header.records;
      }
    }
    entry.head = wal::encodeFrameHead({"node-1", 1, sequence, clock_.wallNanos(), 0, verdicts});
    auto body = std::make_shared<std::string>();
    for (const auto& unit : units) *body += unit.unit;
    entry.body = *body;
    entry.bodyOwner = body;
    return put(std::move(entry));
  }
  // One unit with a block of each stream.
  uint64_t putFrame(const std::vector<size_t>& of, size_t linesEach) {
    return putUnits({unit(of, linesEach)});
  }
  aggregator::FrameMaker::Made unit(const std::vector<size_t>& of, size_t linesEach) {
    std::vector<event::StreamKey> keys;
    for (const size_t n : of) keys.push_back(key(n));
    return maker.unit(keys, linesEach);
  }
  uint64_t put(wal::Entry entry) {
    const uint64_t sequence = writer->nextSequence();
    writer->append(sequence, std::move(entry));
    const base::Status committed = writer->commit();
    EXPECT_TRUE(committed.ok()) << committed.message();
    return sequence;
  }
  uint64_t putOther() {
    wal::Entry entry;
    entry.kind = wal::EntryKind::kMark;
    return put(std::move(entry));
  }
  // Retention: the oldest segments go as long as they end at or before `sequence`.
  void removeThrough(uint64_t sequence) {
    const auto removed = writer->removeThrough(sequence);
    ASSERT_TRUE(removed.ok()) << removed.message();
    EXPECT_GT(*removed, 0u);
  }

  // What the entries before `sequence` hold of each stream.
  StreamTallies before(uint64_t sequence) const {
    StreamTallies sum;
    for (const auto& [at, tallies] : accepted) {
      if (at >= sequence) break;
      for (const auto& [each, tally] : tallies) sum[each] += tally;
    }
    return sum;
  }
  StreamTallies all() const { return before(UINT64_MAX); }

  // As the aggregator answers where to begin.
  Beginning begin(FirstStart from, const CountsMap& have) const {
    Beginning beginning;
    const uint64_t at = from == FirstStart::kNewest ? list->durableSequence() + 1
                                                    : std::max<uint64_t>(list->oldestSequence(), 1);
    beginning.position = {report.queueId, report.epoch, at, 0, 0};
    StreamTallies missing = before(at);
    for (const auto& [each, counts] : have) {
      for (const Tally& tally : counts.tallies) {
        missing[each] += {0 - tally.records, 0 - tally.bytes, 0 - tally.digest};
      }
    }
    for (const auto& [each, tally] : missing) {
      if (tally != Tally{}) beginning.before.emplace_back(each, tally);
    }
    return beginning;
  }

 private:
  base::Clock& clock_;
  const uint64_t segmentBytes_;
  const std::vector<std::shared_ptr<const event::StreamDescription>> streams_{
      testStream("a"), testStream("b"), testStream("c")};
};

}  // namespace logtail::outputs
