// Any bytes as what the queue and the ledger keep on disk: a start succeeds or names the newer
// version, what it finds is found again and what is added is kept; decoders never read beyond what
// is there, and what they understood means the same when it is written and read again. The first
// byte chooses the format, and whether CRCs are made right first, so that what is behind them is
// reached.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "aggregator/ledger_replay.h"
#include "aggregator/ledger_snapshot.h"
#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "common/wal/position.h"
#include "common/wal/queue_reader.h"
#include "common/wal/queue_writer.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace {

using namespace logtail;

constexpr uint32_t kSalt = 0x5a17;
constexpr uint8_t kRepairCrcs = 0x80;
const std::string kQueue = "/queue";
const std::string kSegment = kQueue + "/0000000000000001.seg";
const std::string kIndex = kQueue + "/0000000000000001.idx";

// --- CRCs made right ----------------------------------------------------------------------------

void repairEntries(std::string& bytes) {
  for (size_t at = 0; bytes.size() - at >= wal::kEntryHeaderBytes;) {
    char* header = bytes.data() + at;
    base::storeFixed(header, wal::kEntryMagic);
    const size_t left = bytes.size() - at - wal::kEntryHeaderBytes;
    const size_t length = std::min<size_t>(base::loadFixed<uint32_t>(header + 4) & 0xffff, left);
    base::storeFixed(header + 4, static_cast<uint32_t>(length));
    base::storeFixed(header + 32, base::crc32c({header + wal::kEntryHeaderBytes, length}, kSalt));
    base::storeFixed(header + 36, base::crc32c({header, 36}, kSalt));
    at += std::min((wal::kEntryHeaderBytes + length + 7) & ~size_t{7}, bytes.size() - at);
  }
}

void repairEnd(std::string& bytes) {
  if (bytes.size() < 4) return;
  const std::string_view covered = std::string_view(bytes).substr(0, bytes.size() - 4);
  base::storeFixed(bytes.data() + covered.size(), base::crc32c(covered));
}

void repairSnapshot(std::string& bytes) {
  constexpr size_t kHeader = 36;
  constexpr size_t kRecord = 16;
  if (bytes.size() < kHeader) return;
  base::storeFixed(bytes.data() + 32, base::crc32c(std::string_view(bytes).substr(0, 32)));
  for (size_t at = kHeader; bytes.size() - at >= kRecord;) {
    char* record = bytes.data() + at;
    const size_t length = base::loadFixed<uint32_t>(record + 4);
    if (length > bytes.size() - at - kRecord) return;
    base::storeFixed(record + 8, base::crc32c({record + kRecord, length}));
    base::storeFixed(record + 12, base::crc32c({record, 12}));
    at += kRecord + length;
  }
}

// --- a start ------------------------------------------------------------------------------------

using Entries = std::map<uint64_t, std::string>;

struct Start {
  wal::SegmentList list;
  wal::RecoveryReport report;
  std::unique_ptr<wal::QueueWriter> writer;
  bool tooNew = false;
  Entries entries;

  Start(test::CrashFileSystem& fs, test::FakeClock& clock, aggregator::LedgerReplay* replay) {
    wal::QueueOptions options;
    options.directory = kQueue;
    options.segmentBytes = 16 * 1024;
    auto opened = wal::QueueWriter::open(
        fs, clock, list, options, [](const event::StreamKey&) { return std::string(); }, report);
    tooNew = !opened.ok() && opened.code() == base::Errc::kTooNew;
    LOGTAIL_ASSERT(opened.ok() || tooNew);
    if (tooNew) return;
    writer = std::move(*opened);
    read(fs, replay);
  }

 private:
  void read(test::CrashFileSystem& fs, aggregator::LedgerReplay* replay) {
    wal::QueueReader reader(fs, list, 1);
    for (;;) {
      const auto next = reader.next();
      if (!next.ok()) {
        LOGTAIL_ASSERT(next.code() == base::Errc::kTooNew);  // a critical entry
        tooNew = true;
        return;
      }
      if (*next == wal::QueueReader::Next::kWait) return;
      const wal::EntryView& entry = reader.entry();
      if (replay != nullptr) replay->apply(entry);
      if (!entry.header.isAuxiliary()) entries[entry.header.sequence] = entry.payload;
    }
  }
};

void startWith(const std::map<std::string, std::string>& files) {
  test::FakeClock clock;
  test::CrashFileSystem fs(&clock);
  LOGTAIL_ASSERT(fs.createDirectories(kQueue).ok());
  for (const auto& [path, bytes] : files) {
    LOGTAIL_ASSERT(base::writeFileAtomically(fs, path, bytes).ok());
  }
  const uint64_t operations = fs.operations();
  base::MemoryBudget budget(uint64_t{1} << 30);
  aggregator::Ledger ledger({}, budget);
  aggregator::LedgerReplay replay(ledger);
  Start first(fs, clock, &replay);
  if (first.writer == nullptr) {
    LOGTAIL_ASSERT(fs.operations() == operations);  // untouched
    return;
  }
  // What only made-up CRCs can bring about leaves no room for another entry or start.
  if (first.tooNew || first.writer->nextSequence() > wal::kMaxSequence) return;
  if (first.writer->epoch() == 0) return;
  wal::Entry entry;
  entry.kind = wal::EntryKind::kMark;
  entry.head = "added";
  const uint64_t added = first.writer->nextSequence();
  first.writer->append(added, std::move(entry));
  LOGTAIL_ASSERT(first.writer->commit().ok());
  LOGTAIL_ASSERT(!first.entries.contains(added));
  first.entries[added] = "added";

  Start second(fs, clock, nullptr);
  // A critical entry behind a made-up gap shows only now that a successor covers the gap.
  if (second.tooNew) return;
  LOGTAIL_ASSERT(second.writer != nullptr && second.entries == first.entries);
  LOGTAIL_ASSERT(second.report.queueId == first.report.queueId);
  LOGTAIL_ASSERT(second.report.epoch > first.report.epoch);
  LOGTAIL_ASSERT(second.writer->nextSequence() == added + 1);
}

std::string headerOf(uint64_t segment) {
  wal::SegmentHeader header;
  header.queueId = 7;
  header.segment = segment;
  header.epoch = 1;
  header.salt = kSalt;
  header.firstSequence = 1;
  return wal::encodeSegmentHeader(header);
}

void tryEntries(std::string bytes, bool repair) {
  if (repair) repairEntries(bytes);
  startWith({{kSegment, headerOf(1) + bytes}});
}

void tryHeader(std::string bytes, bool repair) {
  bytes.resize(wal::kSegmentHeaderBytes);
  if (repair) {
    bytes.replace(0, 8, "LTQSEG01");
    base::storeFixed(bytes.data() + 76, base::crc32c(std::string_view(bytes).substr(0, 76)));
  }
  startWith({{kSegment, bytes}});
}

void tryMeta(std::string bytes, bool repair) {
  if (repair) repairEnd(bytes);
  startWith({{kQueue + "/meta", bytes}, {kSegment, headerOf(1)}});
}

void tryIndex(std::string bytes, bool repair) {
  if (repair) repairEnd(bytes);
  startWith({{kSegment, headerOf(1)}, {kIndex, bytes}});
  const auto index = wal::decodeIndex(bytes);
  if (!index.ok()) return;
  const auto again = wal::decodeIndex(wal::encodeIndex(*index));
  LOGTAIL_ASSERT(again.ok() && again->streams == index->streams && again->places == index->places);
  LOGTAIL_ASSERT(again->salt == index->salt && again->segment == index->segment);
  LOGTAIL_ASSERT(again->bytes == index->bytes && again->lastSequence == index->lastSequence);
}

void trySnapshot(std::string bytes, bool repair) {
  if (repair) repairSnapshot(bytes);
  base::MemoryBudget budget(uint64_t{1} << 30);
  aggregator::Ledger ledger({}, budget);
  const auto damaged = aggregator::LedgerSnapshot::decode(bytes, ledger);
  const auto header = aggregator::LedgerSnapshot::peek(bytes);
  LOGTAIL_ASSERT(damaged.ok() == header.ok());
  if (!damaged.ok()) return;
  aggregator::Ledger copy({}, budget);
  const auto again =
      aggregator::LedgerSnapshot::decode(aggregator::LedgerSnapshot::encode(ledger, 7), copy);
  LOGTAIL_ASSERT(again.ok() && *again == 0);
  LOGTAIL_ASSERT(copy.sequence() == header->sequence && copy.retired() == ledger.retired());
  LOGTAIL_ASSERT(copy.streamCount() == ledger.streamCount());
  ledger.forEach([&](const aggregator::StreamState& stream) {
    LOGTAIL_ASSERT(copy.find(stream.key) != nullptr && *copy.find(stream.key) == stream);
  });
  ledger.forEachNode([&](const aggregator::NodeState& node) {
    LOGTAIL_ASSERT(copy.findNode(node.name) != nullptr && *copy.findNode(node.name) == node);
  });
}

// --- payloads -----------------------------------------------------------------------------------

// What a decoder understood and encodes again is understood as the same bytes.
template <typename Decode, typename Encode>
void tryPayload(std::string_view bytes, const Decode& decode, const Encode& encode) {
  const auto value = decode(bytes);
  if (!value.ok()) return;
  const std::string once = encode(*value);
  const auto again = decode(once);
  LOGTAIL_ASSERT(again.ok() && encode(*again) == once);
}

void tryPayloads(const std::string& bytes) {
  const auto exact = std::make_unique<char[]>(bytes.size());
  bytes.copy(exact.get(), bytes.size());
  const std::string_view payload(exact.get(), bytes.size());
  tryPayload(payload, wal::decodeStreamEntry, wal::encodeStreamEntry);
  tryPayload(payload, wal::decodeStreamEnd, wal::encodeStreamEnd);
  tryPayload(payload, wal::decodeStats, wal::encodeStats);
  tryPayload(payload, wal::decodeForget, wal::encodeForget);
  tryPayload(payload, wal::decodeFrame, [](const wal::FrameView& frame) {
    return wal::encodeFrameHead(frame.envelope) + std::string(frame.units);
  });
  wal::EntryView entry;
  entry.header.kind = wal::EntryKind::kFrame;
  entry.payload = payload;
  (void)wal::contentOf(entry);
  base::Decoder in(payload);
  const wal::Position position = wal::decodePosition(in);
  if (!in.ok()) return;
  std::string stored;
  wal::encode(position, stored);
  LOGTAIL_ASSERT(payload.starts_with(stored));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool repair = (data[0] & kRepairCrcs) != 0;
  const std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch ((data[0] & ~kRepairCrcs) % 6) {
    case 0:
      tryEntries(bytes, repair);
      break;
    case 1:
      tryHeader(bytes, repair);
      break;
    case 2:
      tryMeta(bytes, repair);
      break;
    case 3:
      tryIndex(bytes, repair);
      break;
    case 4:
      trySnapshot(bytes, repair);
      break;
    default:
      tryPayloads(bytes);
      break;
  }
  return 0;
}
