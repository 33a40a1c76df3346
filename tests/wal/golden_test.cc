// The worked bytes of docs/wal-format.md. A change here is a change of what is on disk: a queue
// that an older version wrote must still be read.

#include "common/base/checksum.h"
#include "tests/wal/golden_bytes.h"
#include "tests/wal/queue_kit.h"
#include "tests/wire/samples.h"

namespace logtail::wal {
namespace {

const std::string kGolden = "tests/wal/golden/";
const std::string kSegment = "0000000000000001.seg";
const std::string kIndex = "0000000000000001.idx";
const std::string kDescription(
    "\x01\x01"
    "c\x02\x01"
    "n");

SegmentHeader sampleHeader() {
  SegmentHeader header;
  header.queueId = 0x0807060504030201;
  header.segment = 1;
  header.epoch = 3;
  header.salt = 0x5a17ed01;
  header.firstSequence = 1;
  header.createdNanos = 1'000;
  return header;
}

Envelope sampleEnvelope() {
  return {"n", 0x1112131415161718, 5, 2'000, kEnvelopeUnproven, {Verdict::kAccept}};
}

void explainHeader(Explained& bytes) {
  bytes.field("4c54515345473031", "magic LTQSEG01")
      .field("01000000", "version 1")
      .field("03000000", "epoch 3")
      .field("0102030405060708", "queue id")
      .field("0100000000000000", "segment 1")
      .field("0100000000000000", "first sequence 1")
      .field("0000000000000000", "no previous segment")
      .field("0000000000000000", "previous durable")
      .field("e803000000000000", "created at 1000 ns")
      .field("01ed175a", "salt")
      .field("0000000000000000", "reserved")
      .field("6d87a3c2", "CRC of the 76 bytes before");
}

TEST(GoldenQueue, ASegmentWithOneStreamAndOneFrameByteForByte) {
  const std::string stored = goldenFile(kGolden + kSegment);
  Explained bytes(stored);
  explainHeader(bytes);
  bytes.zerosTo(kSegmentHeaderCopy);
  explainHeader(bytes);
  bytes.zerosTo(kSegmentHeaderBytes);
  // The description that the writer puts before the frame; it takes the frame's sequence.
  bytes.field("4c544531", "magic LTE1")
      .field("18000000", "payload of 24 bytes")
      .field("0100000000000000", "sequence 1")
      .field("0000000000000000", "durable: nothing yet")
      .field("02", "kind 2: stream")
      .field("01", "flags: auxiliary")
      .field("0000", "reserved")
      .field("03000000", "epoch 3")
      .field("deab2da1", "CRC of the payload, seeded with the salt")
      .field("318fae7c", "CRC of the 36 bytes before, seeded too")
      .field("1111111111111111", "stream key, low half")
      .field("2222222222222222", "high half")
      .field("06", "description of 6 bytes")
      .field("010163", "tag 1: cluster c")
      .field("02016e", "tag 2: node n")
      .field("00", "no declared resume points");
  bytes.field("4c544531", "magic LTE1")
      .field("87000000", "payload of 135 bytes")
      .field("0100000000000000", "sequence 1")
      .field("0000000000000000", "durable: nothing yet")
      .field("01", "kind 1: frame")
      .field("00", "flags")
      .field("0000", "reserved")
      .field("03000000", "epoch 3")
      .field("65164ee5", "CRC of the payload")
      .field("f3a20959", "CRC of the header")
      .field("1d000000", "envelope of 29 bytes")
      .field("016e", "node n")
      .field("1817161514131211", "the agent's life")
      .field("0500000000000000", "frame 5 of it")
      .field("d007000000000000", "received at 2000 ns")
      .field("01", "flags: the node's name was not proved")
      .field("01", "one verdict")
      .field("00", "accept");
  // tests/event/golden_test.cc explains a unit.
  bytes.field("66000000", "unit of 102 bytes")
      .field("78f681f6", "its CRC")
      .field(
          "0100010047000000070000000000000011111111111111112222222222222222333333333333333344444444"
          "44444444741cc766bdd4f037000000002b0001e8030000000000008403000000000000002b02050000000068"
          "69000002c701",
          "its fields, one block, one record: hi")
      .field("00", "padding to a multiple of 8");
}

TEST(GoldenQueue, AnIndexByteForByte) {
  const std::string stored = goldenFile(kGolden + kIndex);
  Explained(stored)
      .field("4c54514944583031", "magic LTQIDX01")
      .field("01000000", "version 1")
      .field("01ed175a", "the segment's salt")
      .field("0100000000000000", "segment 1")
      .field("0100000000000000", "first sequence 1")
      .field("0100000000000000", "last sequence 1")
      .field("f010000000000000", "4336 bytes")
      .field("01", "one stream")
      .field("1111111111111111", "its key, low half")
      .field("2222222222222222", "high half")
      .field("8403000000000000", "from 900 ns")
      .field("8403000000000000", "to 900 ns")
      .field("4010000000000000", "first at 4160")
      .field("01", "one place")
      .field("4010000000000000", "at 4160")
      .field("0100000000000000", "sequence 1")
      .field("d007000000000000", "received at 2000 ns")
      .field("4e859157", "CRC of all before");
}

TEST(GoldenQueue, MetaByteForByte) {
  const std::string stored = goldenFile(kGolden + "meta");
  Explained(stored)
      .field("4c54514d45544131", "magic LTQMETA1")
      .field("01000000", "version 1")
      .field("00000000", "reserved")
      .field("0102030405060708", "queue id")
      .field("734925fd", "CRC of all before");
}

// What is written today.

std::string entryOf(EntryHeader header, const std::string& payload) {
  const uint32_t salt = sampleHeader().salt;
  header.length = static_cast<uint32_t>(payload.size());
  header.payloadCrc = base::crc32c(payload, salt);
  std::string out(kEntryHeaderBytes, '\0');
  storeEntryHeader(header, salt, out.data());
  out += payload;
  out.resize(header.storedBytes(), '\0');
  return out;
}

TEST(GoldenQueue, IsWhatIsWrittenToday) {
  EntryHeader stream;
  stream.sequence = 1;
  stream.kind = EntryKind::kStream;
  stream.flags = kEntryAuxiliary;
  stream.epoch = 3;
  EntryHeader frame;
  frame.sequence = 1;
  frame.kind = EntryKind::kFrame;
  frame.epoch = 3;
  EXPECT_EQ(encodeSegmentHeader(sampleHeader()) +
                entryOf(stream, encodeStreamEntry({wire::kSampleKey, kDescription, ""})) +
                entryOf(frame, encodeFrameHead(sampleEnvelope()) + wire::sampleUnit("hi")),
            goldenFile(kGolden + kSegment));
  const auto index = decodeIndex(goldenFile(kGolden + kIndex));
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(encodeIndex(*index), goldenFile(kGolden + kIndex));
}

// --- and read -----------------------------------------------------------------------------------

class GoldenQueueOnDisk : public QueueTest {
 protected:
  void lay(const std::string& name) {
    ASSERT_TRUE(fs_->createDirectories(options_.directory).ok());
    ASSERT_TRUE(base::writeFileAtomically(*fs_, path(name), goldenFile(kGolden + name)).ok());
  }
};

TEST_F(GoldenQueueOnDisk, IsReadToday) {
  for (const std::string& name : {std::string("meta"), kSegment, kIndex}) lay(name);
  open();
  EXPECT_EQ(life_->report.queueId, 0x0807060504030201u);
  EXPECT_EQ(life_->report.epoch, 4u);
  EXPECT_FALSE(life_->report.metaRebuilt);
  EXPECT_EQ(life_->report.indexesRebuilt, 0u);
  const auto all = readAll(*fs_, life_->list);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(*decodeStreamEntry(all[0].payload), (StreamEntry{wire::kSampleKey, kDescription, ""}));
  const auto frame = decodeFrame(all[1].payload);
  ASSERT_TRUE(frame.ok());
  EXPECT_EQ(frame->envelope, sampleEnvelope());
  EXPECT_EQ(frame->units, wire::sampleUnit("hi"));
  EXPECT_EQ(put(opaque("two")), 2u);
}

TEST_F(GoldenQueueOnDisk, HasItsMetaAndIndexMadeAgain) {
  lay(kSegment);
  open();
  EXPECT_EQ(*base::readFile(*fs_, path("meta"), 4096), goldenFile(kGolden + "meta"));
  EXPECT_EQ(*base::readFile(*fs_, path(kIndex), 4096), goldenFile(kGolden + kIndex));
}

}  // namespace
}  // namespace logtail::wal
