// Damage: a byte flipped, or a file cut short, at every offset of a small queue. The queue starts,
// loses nothing but the entry that was hit, and counts it; what is of a newer format is not
// touched.

#include <set>

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/wal/queue_kit.h"

namespace logtail::wal {
namespace {

using base::Errc;
using test::CrashFileSystem;

// An entry of a segment by its place.
struct Placed {
  EntryHeader header;
  uint64_t begin = 0;
  uint64_t end = 0;  // of the payload: padding does not count
  std::string payload;
};

struct Outcome {
  RecoveryReport report;
  ReaderCounts counts;
  std::map<uint64_t, std::string> found;
  uint64_t nextSequence = 0;
  uint32_t epoch = 0;

  uint64_t countedLost() const { return std::max(report.lostAfterAck, counts.lostEntries); }
};

class QueueDamage : public QueueTest {
 protected:
  // Three segments, the last batch of three entries; entries refer to streams.
  void fill() {
    options_.segmentBytes = kSegmentHeaderBytes + 640;
    open();
    for (uint64_t n = 1; n <= 9; ++n) put(opaqueOf(std::string(60 + n, 'x'), {n % 2}));
    for (uint64_t n = 10; n <= 12; ++n) life_->append(opaqueOf(std::string(30 + n, 'y'), {n % 2}));
    ASSERT_TRUE(writer().commit().ok());
    remember();
  }
  // As a clean stop does: nothing of the last batch is left without proof.
  void mark() {
    Entry entry;
    entry.kind = EntryKind::kMark;
    put(std::move(entry));
    remember();
  }
  void remember() {
    whole_ = stored();
    epoch_ = writer().epoch();
    queueId_ = writer().queueId();
    segments_ = life_->list.snapshot().segments;
    ASSERT_GE(segments_.size(), 3u);
    for (const SegmentInfo& info : segments_) {
      placed_[info.path].clear();
      const auto file = fs_->open(info.path, base::OpenMode::kRead);
      SegmentWalker walker(**file, info.header, 0, info.readableBytes);
      while (*walker.next() == SegmentWalker::Found::kEntry) {
        const uint64_t at = walker.entryOffset();
        const EntryHeader& header = walker.entry().header;
        placed_[info.path].push_back({header, at, at + kEntryHeaderBytes + header.length,
                                      std::string(walker.entry().payload)});
      }
    }
  }

  std::unique_ptr<CrashFileSystem> copy() const { return fs_->crash(1); }
  static void flip(CrashFileSystem& fs, const std::string& path, uint64_t offset) {
    const auto file = fs.open(path, base::OpenMode::kReadWrite);
    char byte = 0;
    ASSERT_EQ(*(*file)->readAt(offset, {&byte, 1}), 1u);
    byte = static_cast<char>(byte ^ (1u << (offset % 8)));
    ASSERT_TRUE((*file)->write(offset, {&byte, 1}).ok());
  }
  static void cut(CrashFileSystem& fs, const std::string& path, uint64_t size) {
    ASSERT_TRUE((*fs.open(path, base::OpenMode::kReadWrite))->truncate(size).ok());
  }

  // Starts, reads, and goes on: the next entry is kept beside all that was found.
  void start(CrashFileSystem& fs, Outcome& out) {
    QueueLife life;
    const base::Status opened = life.open(fs, clock_, options_);
    ASSERT_TRUE(opened.ok()) << opened.message();
    out.report = life.report;
    out.found = payloads(readAll(fs, life.list, 1, &out.counts));
    out.nextSequence = life.writer->nextSequence();
    out.epoch = life.writer->epoch();
    EXPECT_GT(out.epoch, epoch_) << "positions could be used twice";
    for (const auto& [sequence, payload] : out.found) {
      EXPECT_EQ(whole_.at(sequence), payload);
      EXPECT_GT(out.nextSequence, sequence);
    }
    const uint64_t added = life.append(opaque("added"));
    ASSERT_TRUE(life.writer->commit().ok());
    auto expected = out.found;
    expected[added] = "added";
    QueueLife next;
    ASSERT_TRUE(next.open(fs, clock_, options_).ok());
    EXPECT_EQ(payloads(readAll(fs, next.list)), expected);
    EXPECT_EQ(next.writer->queueId(), queueId_);
  }

  // The entry whose bytes hold `offset`; none for padding, headers' zeros and what follows.
  const Placed* at(const std::string& path, uint64_t offset) const {
    for (const Placed& entry : placed_.at(path)) {
      if (entry.begin <= offset && offset < entry.end) return &entry;
    }
    return nullptr;
  }
  std::map<uint64_t, std::string> without(uint64_t from, uint64_t to) const {
    auto left = whole_;
    left.erase(left.lower_bound(from), left.upper_bound(to));
    return left;
  }
  // How much of a segment's file is worth damaging: what is written, and a little behind it.
  uint64_t extent(const SegmentInfo& info) const { return info.readableBytes + 48; }
  uint64_t last() const { return whole_.rbegin()->first; }

  std::map<uint64_t, std::string> whole_;
  std::map<std::string, std::vector<Placed>> placed_;
  std::vector<SegmentInfo> segments_;
  uint64_t queueId_ = 0;
  uint32_t epoch_ = 0;
};

// Every entry but the last is below the durable mark, and every one's durability is proven.
TEST_F(QueueDamage, CostsAFlippedBytesEntryAndNoOther) {
  fill();
  mark();
  for (const SegmentInfo& info : segments_) {
    for (uint64_t offset = 0; offset < extent(info); ++offset) {
      SCOPED_TRACE(info.path + " at " + std::to_string(offset));
      const auto fs = copy();
      flip(*fs, info.path, offset);
      Outcome out;
      start(*fs, out);
      if (HasFailure()) return;
      const Placed* hit = at(info.path, offset);
      EXPECT_EQ(out.report.segmentsSetAside, 0u);
      if (hit == nullptr) {
        EXPECT_EQ(out.found, whole_);
        EXPECT_EQ(out.countedLost() + out.counts.damagedBytes, 0u);
      } else if (hit->header.isAuxiliary()) {
        EXPECT_EQ(out.found, whole_);
        EXPECT_GT(out.counts.damagedBytes, 0u);
        EXPECT_EQ(out.countedLost(), 0u);
      } else {
        const uint64_t lost = hit->header.sequence;
        EXPECT_EQ(out.found, without(lost, lost));
        EXPECT_EQ(out.countedLost(), lost == last() ? 0u : 1u);  // the mark proves all but itself
      }
    }
  }
}

// The machine stopped behind a batch of three whose proof nothing holds: as the torn tail it may
// be, damage in it takes what follows.
TEST_F(QueueDamage, CutsTheTornTailAtItsFirstFlippedByte) {
  fill();
  const SegmentInfo& newest = segments_.back();
  uint64_t inBatch = 0;
  for (uint64_t offset = kSegmentHeaderBytes; offset < extent(newest); ++offset) {
    SCOPED_TRACE(offset);
    const Placed* hit = at(newest.path, offset);
    if (hit == nullptr || hit->header.isAuxiliary() || hit->header.sequence < 10) continue;
    ++inBatch;
    const auto fs = copy();
    flip(*fs, newest.path, offset);
    Outcome out;
    start(*fs, out);
    if (HasFailure()) return;
    EXPECT_EQ(out.found, without(hit->header.sequence, 12));
    EXPECT_EQ(out.countedLost(), 0u);
  }
  EXPECT_GT(inBatch, 3 * kEntryHeaderBytes);
}

// The same with the ledger's word that the batch was durable.
TEST_F(QueueDamage, CostsOneEntryOfATailThatIsKnownToBeDurable) {
  fill();
  options_.knownDurable = last();
  const SegmentInfo& newest = segments_.back();
  for (uint64_t offset = kSegmentHeaderBytes; offset < extent(newest); ++offset) {
    SCOPED_TRACE(offset);
    const Placed* hit = at(newest.path, offset);
    const auto fs = copy();
    flip(*fs, newest.path, offset);
    Outcome out;
    start(*fs, out);
    if (HasFailure()) return;
    const bool costs = hit != nullptr && !hit->header.isAuxiliary();
    EXPECT_EQ(out.found, costs ? without(hit->header.sequence, hit->header.sequence) : whole_);
    EXPECT_EQ(out.report.lostAfterAck, costs ? 1u : 0u);
    EXPECT_EQ(out.nextSequence, last() + 1);
  }
}

TEST_F(QueueDamage, CostsWhatACutFileHeldAndNoMore) {
  fill();
  mark();
  options_.knownDurable = last();
  for (const SegmentInfo& info : segments_) {
    for (uint64_t size = 0; size <= info.readableBytes; ++size) {
      SCOPED_TRACE(info.path + " cut at " + std::to_string(size));
      const auto fs = copy();
      cut(*fs, info.path, size);
      Outcome out;
      start(*fs, out);
      if (HasFailure()) return;
      const bool headerGone = size < 80;
      uint64_t from = info.lastSequence + 1;
      for (auto entry = placed_[info.path].rbegin(); entry != placed_[info.path].rend(); ++entry) {
        if (entry->end > size && !entry->header.isAuxiliary()) from = entry->header.sequence;
      }
      EXPECT_EQ(out.found, without(from, info.lastSequence));
      EXPECT_EQ(out.report.segmentsSetAside, headerGone ? 1u : 0u);
      EXPECT_EQ(out.countedLost(), info.lastSequence + 1 - from);
    }
  }
}

TEST_F(QueueDamage, CountsAnOldestSegmentThatIsSetAsideAlsoWithoutItsIndex) {
  fill();
  mark();
  const SegmentInfo& oldest = segments_.front();
  cut(*fs_, oldest.path, 10);
  reopen();
  EXPECT_EQ(life_->report.lostAfterAck, oldest.lastSequence);
  reopen();  // it stays aside, with its index
  EXPECT_EQ(life_->report.segmentsSetAside, 0u);
  EXPECT_EQ(life_->report.lostAfterAck, oldest.lastSequence);
  cut(*fs_, path(indexName(oldest.header.segment)), 10);
  reopen();
  EXPECT_EQ(life_->report.lostAfterAck, 1u);
  ASSERT_TRUE(writer().removeThrough(segments_[1].lastSequence).ok());
  reopen();
  EXPECT_EQ(life_->report.lostAfterAck, 0u);
}

TEST_F(QueueDamage, MakesADamagedMetaAgainWithTheSameId) {
  fill();
  const std::string meta = path("meta");
  const uint64_t size = fs_->info(meta)->size;
  for (uint64_t offset = 0; offset < size; ++offset) {
    for (const bool cuts : {false, true}) {
      SCOPED_TRACE((cuts ? "cut at " : "flipped at ") + std::to_string(offset));
      const auto fs = copy();
      cuts ? cut(*fs, meta, offset) : flip(*fs, meta, offset);
      Outcome out;
      start(*fs, out);
      if (HasFailure()) return;
      EXPECT_TRUE(out.report.metaRebuilt);
      EXPECT_EQ(out.found, whole_);
      EXPECT_EQ(out.report.queueId, queueId_);
      EXPECT_EQ(*base::readFile(*fs, meta, 4096), *base::readFile(*fs_, meta, 4096));
    }
  }
}

TEST_F(QueueDamage, MakesADamagedIndexAgain) {
  fill();
  const std::string index = path(indexName(segments_.front().header.segment));
  const auto before = decodeIndex(*base::readFile(*fs_, index, kMaxIndexBytes));
  ASSERT_TRUE(before.ok());
  const uint64_t size = fs_->info(index)->size;
  for (uint64_t offset = 0; offset < size; ++offset) {
    for (const bool cuts : {false, true}) {
      SCOPED_TRACE((cuts ? "cut at " : "flipped at ") + std::to_string(offset));
      const auto fs = copy();
      cuts ? cut(*fs, index, offset) : flip(*fs, index, offset);
      Outcome out;
      start(*fs, out);
      if (HasFailure()) return;
      EXPECT_EQ(out.found, whole_);
      EXPECT_EQ(out.report.indexesRebuilt, 2u);  // also of the one that was being written
      const auto after = decodeIndex(*base::readFile(*fs, index, kMaxIndexBytes));
      ASSERT_TRUE(after.ok());
      EXPECT_EQ(after->salt, before->salt);
      EXPECT_EQ(after->lastSequence, before->lastSequence);
      EXPECT_EQ(after->bytes, before->bytes);
    }
  }
}

// Its CRC is right, so no disk did that; what it says must not become the queue's mark all the
// same.
TEST(EntryHeaderLoad, TakesNoneThatContradictsItself) {
  const auto loads = [](uint64_t sequence, uint64_t durable, uint32_t length) {
    EntryHeader header;
    header.sequence = sequence;
    header.durable = durable;
    header.length = length;
    char stored[kEntryHeaderBytes];
    storeEntryHeader(header, 7, stored);
    return loadEntryHeader(stored, 7, header);
  };
  EXPECT_TRUE(loads(5, 4, 0));
  EXPECT_TRUE(loads(kMaxSequence, 0, kMaxEntryPayload));
  EXPECT_FALSE(loads(5, 5, 0));
  EXPECT_FALSE(loads(0, 0, 0));
  EXPECT_FALSE(loads(kMaxSequence + 1, 0, 0));
  EXPECT_FALSE(loads(5, 4, kMaxEntryPayload + 1));
}

// --- a newer format -----------------------------------------------------------------------------

using Files = std::map<std::string, std::string>;

Files filesOf(CrashFileSystem& fs, const std::string& directory) {
  Files files;
  const auto names = fs.list(directory);
  for (const std::string& name : *names) {
    files[name] = *base::readFile(fs, directory + "/" + name, 1 << 20);
  }
  return files;
}

struct Newer {
  const char* name;
  const char* file;
  uint64_t start;  // of the bytes that the CRC covers, where the magic is
  uint64_t crcAt;  // where it is; 0: the file's last four bytes
};
void PrintTo(const Newer& row, std::ostream* out) {
  *out << row.name;
}

class QueueOfANewerVersion : public QueueDamage, public ::testing::WithParamInterface<Newer> {
 protected:
  void raiseVersion() {
    const Newer& row = GetParam();
    std::string bytes = *base::readFile(*fs_, path(row.file), 1 << 20);
    const uint64_t crcAt = row.crcAt != 0 ? row.crcAt : bytes.size() - 4;
    bytes[row.start + 8] = 2;
    if (proven_) {
      base::storeFixed(bytes.data() + crcAt,
                       base::crc32c(std::string_view(bytes).substr(row.start, crcAt - row.start)));
    }
    const auto file = fs_->open(path(row.file), base::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->write(0, bytes).ok());
  }
  bool proven_ = true;
};

TEST_P(QueueOfANewerVersion, IsRefusedAndLeftAsItIs) {
  fill();
  // There would be much to do: files nobody needs, damage, an index to make again.
  ASSERT_TRUE(base::writeFileAtomically(*fs_, path(indexName(9) + ".tmp"), "half").ok());
  ASSERT_TRUE(base::writeFileAtomically(*fs_, path(indexName(77)), "orphan").ok());
  for (int i = 0; i < 4; ++i) {
    const std::string free = path("free-" + std::to_string(i) + ".seg");
    ASSERT_TRUE(base::writeFileAtomically(*fs_, free, "old").ok());
  }
  flip(*fs_, segments_[1].path, segments_[1].readableBytes - 1);
  ASSERT_TRUE(base::writeFileAtomically(*fs_, path(segmentName(50)), "no header").ok());
  life_.reset();
  raiseVersion();
  const Files before = filesOf(*fs_, options_.directory);
  const uint64_t operations = fs_->operations();
  QueueLife life;
  const base::Status opened = life.open(*fs_, clock_, options_);
  EXPECT_EQ(opened.code(), Errc::kTooNew);
  EXPECT_NE(opened.message().find("version 2"), std::string::npos) << opened.message();
  EXPECT_EQ(fs_->operations(), operations);
  EXPECT_EQ(filesOf(*fs_, options_.directory), before);
}

TEST_P(QueueOfANewerVersion, IsDamageWhenItsChecksumDoesNotProveIt) {
  fill();
  life_.reset();
  proven_ = false;
  raiseVersion();
  Outcome out;
  start(*fs_, out);
  EXPECT_EQ(out.found, whole_);
}

INSTANTIATE_TEST_SUITE_P(Files, QueueOfANewerVersion,
                         ::testing::Values(Newer{"Meta", "meta", 0, 0},
                                           Newer{"OldestSegment", "0000000000000001.seg", 0, 76},
                                           Newer{"SecondSegment", "0000000000000002.seg", 0, 76},
                                           Newer{"NewestSegment", "0000000000000003.seg", 0, 76},
                                           Newer{"Index", "0000000000000001.idx", 0, 0}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace logtail::wal
