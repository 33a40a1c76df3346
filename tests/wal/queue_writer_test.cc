// What the queue promises without crashes: order, descriptions, rolling, recycling, retention.

#include <algorithm>

#include "tests/wal/queue_kit.h"
#include "tests/wire/samples.h"

namespace logtail::wal {
namespace {

using base::Errc;

Entry frameOf(uint64_t sequence, int64_t receivedNanos) {
  Envelope envelope;
  envelope.node = "n";
  envelope.frameSequence = sequence;
  envelope.receivedNanos = receivedNanos;
  envelope.verdicts = {Verdict::kAccept};
  Entry entry;
  entry.head = encodeFrameHead(envelope);
  const auto unit = std::make_shared<std::string>(wire::sampleUnit("hi"));
  entry.body = *unit;
  entry.bodyOwner = unit;
  entry.streams = {{wire::kSampleKey, 900, 900}};
  return entry;
}

TEST_F(QueueTest, GivesBackWhatWasCommittedInOrder) {
  open();
  EXPECT_TRUE(life_->report.created);
  EXPECT_EQ(put(opaque("one")), 1u);
  life_->append(opaque("two"));
  life_->append(opaque(""));
  ASSERT_TRUE(writer().commit().ok());
  EXPECT_EQ(stored(), (std::map<uint64_t, std::string>{{1, "one"}, {2, "two"}, {3, ""}}));
  EXPECT_EQ(stored(2), (std::map<uint64_t, std::string>{{2, "two"}, {3, ""}}));
}

TEST_F(QueueTest, TakesTheBodysChecksumFromWhoKnowsIt) {
  open();
  const std::string body(70'000, 'b');
  for (const uint32_t wrong : {0, 1}) {
    Entry entry = opaque("head");
    entry.body = body;
    entry.bodyCrc = base::crc32c(body) ^ wrong;
    life_->append(std::move(entry));
  }
  life_->append(opaque("behind"));
  ASSERT_TRUE(writer().commit().ok());
  // The second one is as damaged as if its body had changed since its checksum was taken.
  EXPECT_EQ(stored(), (std::map<uint64_t, std::string>{{1, "head" + body}, {3, "behind"}}));
}

TEST_F(QueueTest, ShowsNothingBeforeItIsDurable) {
  open();
  life_->append(opaque("one"));
  EXPECT_TRUE(stored().empty());
  fs_->failWhen([](const test::Operation& operation) -> std::optional<Errc> {
    if (operation.kind != test::OpKind::kSyncData) return std::nullopt;
    return Errc::kStop;
  });
  EXPECT_EQ(writer().commit().code(), Errc::kStop);
  EXPECT_TRUE(stored().empty());
  EXPECT_EQ(life_->list.durableSequence(), 0u);
}

TEST_F(QueueTest, GoesOnBehindTheLastEntryUnderANewEpochAfterAReopen) {
  open();
  put(3);
  const uint64_t queueId = writer().queueId();
  const uint32_t epoch = writer().epoch();
  reopen();
  EXPECT_EQ(writer().queueId(), queueId);
  EXPECT_GT(writer().epoch(), epoch);
  EXPECT_EQ(life_->report.lostAfterAck, 0u);
  EXPECT_EQ(put(opaque("four")), 4u);
  const auto all = readAll(*fs_, life_->list);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].header.epoch, epoch);
  EXPECT_EQ(all[3].header.epoch, writer().epoch());
}

TEST_F(QueueTest, KeepsWhatWasKnownDurableOutOfTheNumbersToCome) {
  open();
  put(3);
  options_.knownDurable = 5;
  reopen();
  EXPECT_EQ(life_->report.lostAfterAck, 2u);
  EXPECT_EQ(put(opaque("six")), 6u);
  ReaderCounts counts;
  EXPECT_EQ(stored(1, &counts).size(), 4u);
  EXPECT_EQ(counts.lostEntries, 2u);
}

TEST_F(QueueTest, DescribesAStreamOnceInEachSegmentBeforeItsFirstEntry) {
  open();
  for (int i = 0; i < 20; ++i) put(opaqueOf(std::string(1000, 'x'), {7, 8, 7}));
  ASSERT_GT(life_->list.size(), 1u);
  for (const SegmentInfo& info : life_->list.snapshot().segments) {
    SegmentList one;
    one.add(info);
    const auto all = readAll(*fs_, one);
    ASSERT_GT(all.size(), 3u);
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].header.isAuxiliary(), i < 2) << i;
    }
    const auto seven = decodeStreamEntry(all[0].payload);
    ASSERT_TRUE(seven.ok());
    EXPECT_EQ(*seven, (StreamEntry{keyOf(7), "stream 7", ""}));
    EXPECT_EQ(decodeStreamEntry(all[1].payload)->key, keyOf(8));
    EXPECT_EQ(all[0].header.sequence, all[2].header.sequence);
  }
}

TEST_F(QueueTest, GivesAReaderThatStartsWithinASegmentItsDescriptionsFirst) {
  open();
  put(opaqueOf("one", {7}));
  put(opaqueOf("two", {7}));
  const auto all = readAll(*fs_, life_->list, 2);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_TRUE(all[0].header.isAuxiliary());
  EXPECT_EQ(all[1].payload, "two");
}

TEST_F(QueueTest, DescribesNoStreamAgainThatAnEntryDeclared) {
  open();
  Entry declared;
  declared.kind = EntryKind::kStream;
  declared.head = encodeStreamEntry({keyOf(7), "declared", "open"});
  put(std::move(declared));
  put(opaqueOf("two", {7}));
  const auto all = readAll(*fs_, life_->list);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(decodeStreamEntry(all[0].payload)->open, "open");
}

TEST_F(QueueTest, RollsAndNeverLetsAnEntryCrossASegmentsEnd) {
  open();
  put(40);
  const auto segments = life_->list.snapshot().segments;
  ASSERT_EQ(segments.size(), 4u);
  for (size_t i = 0; i < segments.size(); ++i) {
    EXPECT_LE(segments[i].readableBytes, kTestSegment);
    EXPECT_EQ(segments[i].sealed, i + 1 < segments.size());
    EXPECT_EQ(fs_->info(segments[i].path)->size, kTestSegment);
    if (i == 0) continue;
    EXPECT_EQ(segments[i].header.previousSegment, segments[i - 1].header.segment);
    EXPECT_EQ(segments[i].header.previousDurable, segments[i - 1].readableBytes);
    EXPECT_EQ(segments[i].header.firstSequence, segments[i - 1].lastSequence + 1);
  }
  EXPECT_EQ(stored().size(), 40u);
}

TEST_F(QueueTest, SplitsOneGenerationOverSeveralSegments) {
  open();
  for (int i = 0; i < 40; ++i) life_->append(opaque(std::string(1000, 'x')));
  ASSERT_TRUE(writer().commit().ok());
  EXPECT_EQ(life_->list.size(), 4u);
  EXPECT_EQ(stored().size(), 40u);
}

TEST_F(QueueTest, RemovesWholeSegmentsAndNeverTheNewest) {
  open();
  put(40);
  EXPECT_EQ(*writer().removeThrough(10), 0u);
  EXPECT_EQ(*writer().removeThrough(11), 1u);
  EXPECT_EQ(life_->list.oldestSequence(), 12u);
  reopen();
  const uint64_t queueId = writer().queueId();
  const uint32_t epoch = writer().epoch();
  EXPECT_EQ(*writer().removeThrough(1000), 2u);
  EXPECT_EQ(life_->list.size(), 1u);
  reopen();
  EXPECT_EQ(writer().queueId(), queueId);
  EXPECT_GE(writer().epoch(), epoch);
  EXPECT_EQ(writer().nextSequence(), 41u);
  EXPECT_EQ(life_->report.lostAfterAck, 0u);
}

TEST_F(QueueTest, RemovesASegmentThatItCouldNotRemoveBeforeTheNextOne) {
  for (const test::OpKind kind : {test::OpKind::kRename, test::OpKind::kRemove}) {
    life_.reset();
    fs_ = std::make_unique<test::CrashFileSystem>(&clock_);
    options_.freeSegments = kind == test::OpKind::kRename ? 2 : 0;
    open();
    put(40);
    fs_->failWhen([&](const test::Operation& operation) -> std::optional<Errc> {
      if (operation.kind != kind || !operation.path.ends_with(".seg")) return std::nullopt;
      return Errc::kStop;
    });
    EXPECT_EQ(writer().removeThrough(11).code(), Errc::kStop);
    fs_->failWhen(nullptr);
    EXPECT_EQ(life_->list.oldestSequence(), 1u);
    EXPECT_EQ(*writer().removeThrough(22), 2u);
    reopen();
    EXPECT_EQ(life_->list.oldestSequence(), 23u);
    EXPECT_EQ(life_->report.lostAfterAck, 0u);
  }
}

TEST_F(QueueTest, CountsForAReaderWhatRetentionTookFromIt) {
  open();
  put(12);
  QueueReader reader(*fs_, life_->list, 1);
  ASSERT_EQ(*reader.next(), QueueReader::Next::kEntry);
  put(20);
  ASSERT_EQ(*writer().removeThrough(22), 2u);
  uint64_t last = 1;
  while (*reader.next() == QueueReader::Next::kEntry) last = reader.entry().header.sequence;
  EXPECT_EQ(last, 32u);
  EXPECT_EQ(reader.counts().entries + reader.counts().skippedEntries, 32u);
  EXPECT_EQ(reader.counts().lostEntries, 0u);
}

TEST_F(QueueTest, ShowsNoOldEntriesOfARecycledFile) {
  open();
  put(40);
  ASSERT_EQ(*writer().removeThrough(40), 3u);
  for (unsigned n = 0; n < 30; ++n) {
    put(1);
    const auto before = stored();
    reopen();
    EXPECT_EQ(stored(), before);
    EXPECT_EQ(life_->report.tornBytes, 0u);
    EXPECT_EQ(writer().nextSequence(), 42u + n);
    ASSERT_TRUE(writer().removeThrough(1000).ok());
  }
  EXPECT_LE(files().size(), 1u + 2 + options_.freeSegments);
}

TEST_F(QueueTest, RecyclesFilesInsteadOfMakingThem) {
  open();
  put(22);
  for (int round = 0; round < 10; ++round) {
    put(11);
    ASSERT_EQ(*writer().removeThrough(11u * (static_cast<unsigned>(round) + 1)), 1u);
  }
  EXPECT_LE(writer().counts().segmentsCreated, 3u);
  EXPECT_GE(writer().counts().segmentsRecycled, 9u);
}

TEST_F(QueueTest, PushesBackAtItsSizeLimitAndGoesOnWhenThereIsRoom) {
  options_.capacityBytes = 2 * kTestSegment;
  open();
  put(22);
  EXPECT_TRUE(writer().isFull());
  life_->append(opaque(std::string(1000, '!')));
  EXPECT_EQ(writer().commit().code(), Errc::kPushBack);
  EXPECT_EQ(writer().pendingEntries(), 1u);
  ASSERT_EQ(*writer().removeThrough(11), 1u);
  ASSERT_TRUE(writer().commit().ok());
  EXPECT_EQ(stored(23), (std::map<uint64_t, std::string>{{23, std::string(1000, '!')}}));
}

TEST_F(QueueTest, PushesBackOnAFullDiskAndGoesOnWhenThereIsRoom) {
  open();
  put(11);
  fs_->setCapacity(fs_->usedBytes() + 4096);
  life_->append(opaque(std::string(1000, '!')));
  EXPECT_EQ(writer().commit().code(), Errc::kPushBack);
  fs_->setCapacity(0);
  ASSERT_TRUE(writer().commit().ok());
  EXPECT_EQ(stored(12), (std::map<uint64_t, std::string>{{12, std::string(1000, '!')}}));
}

TEST_F(QueueTest, TakesNoMoreFreeFilesThanItKeepsAlsoAfterAReopen) {
  open();
  put(70);
  ASSERT_TRUE(writer().removeThrough(1000).ok());
  const auto isFree = [](const std::string& name) { return name.starts_with("free-"); };
  auto names = files();
  EXPECT_EQ(std::count_if(names.begin(), names.end(), isFree), 2);
  options_.freeSegments = 1;
  reopen();
  names = files();
  EXPECT_EQ(std::count_if(names.begin(), names.end(), isFree), 1);
}

TEST_F(QueueTest, IndexesASealedSegmentByStreamAndTime) {
  open();
  put(frameOf(1, 5'000));
  put(20);
  const SegmentInfo first = life_->list.snapshot().segments.front();
  const auto bytes = base::readFile(*fs_, path(indexName(1)), kMaxIndexBytes);
  ASSERT_TRUE(bytes.ok());
  const auto index = decodeIndex(*bytes);
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(index->salt, first.header.salt);
  EXPECT_EQ(index->firstSequence, 1u);
  EXPECT_EQ(index->lastSequence, first.lastSequence);
  EXPECT_EQ(index->bytes, first.readableBytes);
  ASSERT_EQ(index->streams.size(), 1u);
  EXPECT_EQ(index->streams.at(wire::kSampleKey).minTimeNanos, 900);
  EXPECT_EQ(encodeIndex(*decodeIndex(*bytes)), *bytes);
}

TEST_F(QueueTest, MakesAMissingIndexAgainAndRemovesOneWithoutASegment) {
  open();
  put(frameOf(1, 5'000));
  put(20);
  const auto before = decodeIndex(*base::readFile(*fs_, path(indexName(1)), kMaxIndexBytes));
  ASSERT_TRUE(fs_->rename(path(indexName(1)), path(indexName(77))).ok());
  reopen();
  EXPECT_EQ(life_->report.indexesRebuilt, 2u);  // also of the one that was being written
  const auto after = decodeIndex(*base::readFile(*fs_, path(indexName(1)), kMaxIndexBytes));
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->streams, before->streams);
  EXPECT_EQ(after->lastSequence, before->lastSequence);
  EXPECT_EQ(after->bytes, before->bytes);
  EXPECT_FALSE(fs_->info(path(indexName(77))).ok());
  reopen();
  EXPECT_EQ(life_->report.indexesRebuilt, 0u);
}

TEST_F(QueueTest, FindsWhereToBeginForATime) {
  options_.segmentBytes = 4 * 1024 * 1024;
  open();
  std::vector<int64_t> times;
  for (int i = 0; i < 90; ++i) {
    clock_.advance(std::chrono::seconds(1));
    times.push_back(clock_.wallNanos());
    put(opaqueOf(std::string(100'000, 'x'), {static_cast<uint64_t>(i % 5)}));
  }
  for (size_t i = 0; i < times.size(); ++i) {
    const uint64_t sequence = QueueReader::sequenceAt(*fs_, life_->list, times[i]);
    EXPECT_LE(sequence, i + 1);  // nothing received since then is left out
    const size_t step =
        life_->list.snapshot().segments.back().header.firstSequence <= i + 1 ? 40 : 12;
    EXPECT_GE(sequence + step, i + 1);  // and not much more is read
  }
  EXPECT_EQ(QueueReader::sequenceAt(*fs_, life_->list, 0), 1u);
}

TEST_F(QueueTest, RemovesALeftTemporaryFile) {
  open();
  put(1);
  ASSERT_TRUE(base::writeFileAtomically(*fs_, path(indexName(9) + ".tmp"), "half").ok());
  ASSERT_TRUE(base::writeFileAtomically(*fs_, path("other.tmp"), "not ours").ok());
  reopen();
  EXPECT_FALSE(fs_->info(path(indexName(9) + ".tmp")).ok());
  EXPECT_TRUE(fs_->info(path("other.tmp")).ok());
}

TEST_F(QueueTest, PassesOverUnknownKindsAndRefusesCriticalOnes) {
  open();
  Entry unknown = opaque("from tomorrow");
  unknown.kind = static_cast<EntryKind>(60);
  put(std::move(unknown));
  put(opaque("two"));
  EXPECT_EQ(stored(), (std::map<uint64_t, std::string>{{2, "two"}}));
  Entry critical = opaque("from tomorrow");
  critical.kind = static_cast<EntryKind>(61);
  critical.flags = kEntryCritical;
  put(std::move(critical));
  QueueReader reader(*fs_, life_->list, 1);
  ASSERT_TRUE(reader.next().ok());
  for (int again = 0; again < 2; ++again) {
    const auto refused = reader.next();
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.code(), Errc::kTooNew);
  }
}

TEST_F(QueueTest, GoesOnInASuccessorAfterAFailedSync) {
  open();
  put(3);
  fs_->failNth(test::OpKind::kSyncData, 0, Errc::kStop);
  put(2);
  EXPECT_EQ(writer().counts().condemnedSegments, 1u);
  EXPECT_EQ(life_->list.size(), 2u);
  ReaderCounts counts;
  EXPECT_EQ(stored(1, &counts).size(), 5u);
  EXPECT_EQ(counts.lostEntries + counts.damagedBytes, 0u);
  for (uint64_t seed = 0; seed < 8; ++seed) {
    crash(seed);
    EXPECT_EQ(stored().size(), 5u);
    EXPECT_EQ(life_->report.lostAfterAck, 0u);
  }
}

TEST_F(QueueTest, SurvivesManyFailuresThatAreNotInARow) {
  open();
  put(1);
  for (int i = 0; i < 5; ++i) {
    fs_->failNth(test::OpKind::kSyncData, 0, Errc::kStop);
    put(1);
  }
  EXPECT_EQ(stored().size(), 6u);
}

}  // namespace
}  // namespace logtail::wal
