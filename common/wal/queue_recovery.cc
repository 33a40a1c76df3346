// QueueWriter's start: what is there, how far it is to be believed, what was lost.
// Rules: docs/wal-format.md, "Recovery".
#include <algorithm>
#include <charconv>

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "common/base/log.h"
#include "common/base/random.h"
#include "common/wal/queue_writer.h"

namespace logtail::wal {
namespace {

constexpr std::string_view kMetaMagic = "LTQMETA1";
constexpr uint32_t kMetaVersion = 1;
constexpr uint64_t kMaxIndex = 256 * 1024 * 1024;

std::string encodeMeta(uint64_t queueId) {
  std::string out(kMetaMagic);
  base::putFixed(out, kMetaVersion);
  base::putFixed(out, uint32_t{0});
  base::putFixed(out, queueId);
  base::putFixed(out, base::crc32c(out));
  return out;
}

base::Result<uint64_t> decodeMeta(std::string_view bytes, const std::string& path) {
  const base::Error damaged{base::Errc::kQuarantine, path + ": damaged"};
  if (bytes.size() != 28 || !bytes.starts_with(kMetaMagic)) return damaged;
  if (base::loadFixed<uint32_t>(bytes.data() + 24) != base::crc32c(bytes.substr(0, 24))) {
    return damaged;
  }
  const auto version = base::loadFixed<uint32_t>(bytes.data() + 8);
  if (version > kMetaVersion) {
    return base::Error{base::Errc::kTooNew, path + ": queue format version " +
                                                std::to_string(version) + ", this is version " +
                                                std::to_string(kMetaVersion)};
  }
  return base::loadFixed<uint64_t>(bytes.data() + 16);
}

// The number of "<16 hex>.seg"; 0 for other names.
uint64_t segmentNumber(const std::string& name) {
  if (name.size() != 20 || !name.ends_with(".seg")) return 0;
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + 16, number, 16);
  return failed == std::errc() && end == name.data() + 16 ? number : 0;
}

}  // namespace

base::Status QueueWriter::recover(RecoveryReport& report) {
  LOGTAIL_TRY(fs_.createDirectories(options_.directory));
  LOGTAIL_TRY(loadMeta(report));
  auto found = findSegments(report);
  if (!found.ok()) return found.error();
  std::vector<SegmentInfo>& segments = *found;
  if (queueId_ == 0) {
    queueId_ = segments.empty() ? base::randomId() : segments.back().header.queueId;
    report.metaRebuilt = !segments.empty();
    report.created = segments.empty();
    LOGTAIL_TRY(base::writeFileAtomically(fs_, pathOf("meta"), encodeMeta(queueId_)));
  }
  uint64_t mark = options_.knownDurable;
  for (size_t i = 0; i < segments.size(); ++i) {
    SegmentInfo& info = segments[i];
    epoch_ = std::max(epoch_, info.header.epoch);
    nextSegment_ = std::max(nextSegment_, info.header.segment + 1);
    const SegmentInfo* next = i + 1 < segments.size() ? &segments[i + 1] : nullptr;
    if (next != nullptr && next->header.previousSegment == info.header.segment) {
      info.readableBytes = next->header.previousDurable;
      info.lastSequence = next->header.firstSequence - 1;
      continue;
    }
    // The newest one, or one whose successor is missing: how far it goes must be looked up.
    const uint64_t provenBySuccessor = next == nullptr ? 0 : next->header.firstSequence - 1;
    LOGTAIL_TRY(measure(info, std::max(mark, provenBySuccessor), report));
    if (next != nullptr) report.lostAfterAck += provenBySuccessor - info.lastSequence;
  }
  ++epoch_;
  if (!segments.empty()) {
    SegmentInfo& newest = segments.back();
    mark = std::max(mark, newest.lastSequence);
    if (mark > newest.lastSequence) report.lostAfterAck += mark - newest.lastSequence;
    previousSegment_ = newest.header.segment;
    previousDurable_ = newest.readableBytes;
  }
  nextSequence_ = mark + 1;
  durableSequence_ = mark;
  for (SegmentInfo& info : segments) {
    info.sealed = true;
    LOGTAIL_TRY(restoreIndex(info, report));
    list_.add(info);
  }
  list_.setDurable(mark);
  report.queueId = queueId_;
  report.epoch = epoch_;
  report.segments = segments.size();
  return {};
}

base::Status QueueWriter::loadMeta(RecoveryReport&) {
  const std::string path = pathOf("meta");
  const auto bytes = base::readFile(fs_, path, 4096);
  if (!bytes.ok()) {
    return bytes.code() == base::Errc::kNotFound || bytes.code() == base::Errc::kQuarantine
               ? base::Status()
               : bytes.status();
  }
  const auto id = decodeMeta(*bytes, path);
  if (id.ok()) queueId_ = *id;
  if (!id.ok() && id.code() == base::Errc::kTooNew) return id.error();
  return {};
}

// Segments by number, oldest first. Two passes, so that state of a newer format is left untouched.
base::Result<std::vector<SegmentInfo>> QueueWriter::findSegments(RecoveryReport& report) {
  const auto names = fs_.list(options_.directory);
  if (!names.ok()) return names.error();
  std::vector<SegmentInfo> segments;
  std::vector<std::string> damaged;
  for (const std::string& name : *names) {
    const uint64_t number = segmentNumber(name);
    const std::string path = pathOf(name);
    if (number == 0) {
      if (!name.starts_with("free-")) continue;
      freeFiles_.push_back(path);
      uint64_t n = 0;
      std::from_chars(name.data() + 5, name.data() + name.size(), n);
      nextFree_ = std::max(nextFree_, n + 1);
      continue;
    }
    nextSegment_ = std::max(nextSegment_, number + 1);
    auto file = fs_.open(path, base::OpenMode::kReadWrite);
    if (!file.ok()) return file.error();
    const auto header = readSegmentHeader(**file, path);
    if (header.ok() && header->segment != number) {
      freeFiles_.push_back(path);  // on its way from one name to the next when the machine stopped
    } else if (header.ok() && (queueId_ == 0 || header->queueId == queueId_)) {
      segments.push_back({*header, path, kSegmentHeaderBytes, 0, header->createdNanos, true});
    } else if (header.ok() || header.code() == base::Errc::kQuarantine) {
      damaged.push_back(path);
    } else {
      return header.error();
    }
  }
  for (const std::string& path : damaged) {
    ++report.segmentsSetAside;
    base::logError("queue: " + path + ": header damaged or of another queue, set aside");
    LOGTAIL_TRY(fs_.rename(path, path + ".damaged"));
  }
  std::sort(segments.begin(), segments.end(), [](const SegmentInfo& a, const SegmentInfo& b) {
    return a.header.segment < b.header.segment;
  });
  return segments;
}

// Walks a segment without a successor that says where it ends. What is proven durable and cannot be
// read is lost; what is not proven and damaged is the torn tail.
base::Status QueueWriter::measure(SegmentInfo& info, uint64_t mark, RecoveryReport& report) {
  auto file = fs_.open(info.path, base::OpenMode::kReadWrite);
  if (!file.ok()) return file.error();
  const auto size = (*file)->info();
  if (!size.ok()) return size.error();
  SegmentWalker walker(**file, info.header, 0, size->size);
  struct Stretch {  // entries up to a damage
    uint64_t end;
    uint64_t lastSequence;
    Damage damage;
  };
  std::vector<Stretch> stretches;
  uint64_t end = kSegmentHeaderBytes;
  uint64_t last = info.header.firstSequence - 1;
  for (;;) {
    const auto found = walker.next();
    if (!found.ok()) return found.error();
    if (*found == SegmentWalker::Found::kEntry) {
      end = walker.offset();
      last = walker.entry().header.completes();
      mark = std::max(mark, walker.entry().header.durable);
      continue;
    }
    stretches.push_back({end, last, walker.damage()});
    if (*found == SegmentWalker::Found::kEnd) break;
  }
  for (const Stretch& stretch : stretches) {
    end = stretch.end;
    last = stretch.lastSequence;
    const bool proven = stretch.lastSequence < mark;
    if (stretch.damage.beforeSequence == 0) {
      if (proven && stretch.damage.bytes > 0) {
        ++report.damagedRegions;
        report.damagedBytes += stretch.damage.bytes;
      } else {
        report.tornBytes += stretch.damage.bytes > 0 ? stretch.damage.bytes : 0;
      }
      break;
    }
    if (!proven) {  // everything behind is above the mark
      report.tornBytes += stretches.back().end - stretch.end;
      break;
    }
    ++report.damagedRegions;
    report.damagedBytes += stretch.damage.bytes;
    report.lostAfterAck += stretch.damage.beforeSequence - stretch.lastSequence - 1;
  }
  info.readableBytes = end;
  info.lastSequence = last;
  // What a process wrote and did not sync is in the page cache only: it is about to be believed.
  return (*file)->syncData();
}

base::Status QueueWriter::restoreIndex(const SegmentInfo& info, RecoveryReport& report) {
  const std::string path = pathOf(indexName(info.header.segment));
  const auto bytes = base::readFile(fs_, path, kMaxIndex);
  if (bytes.ok()) {
    const auto index = decodeIndex(*bytes);
    if (index.ok() && index->salt == info.header.salt) return {};
    if (!index.ok() && index.code() == base::Errc::kTooNew) return index.error();
  }
  auto file = fs_.open(info.path, base::OpenMode::kRead);
  if (!file.ok()) return file.error();
  const auto index = buildIndex(**file, info.header, info.readableBytes);
  if (!index.ok()) return index.error();
  ++report.indexesRebuilt;
  return base::writeFileAtomically(fs_, path, encodeIndex(*index));
}

}  // namespace logtail::wal
