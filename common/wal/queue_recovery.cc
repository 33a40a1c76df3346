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
constexpr size_t kCopyStep = 1024 * 1024;

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

// The number in "<16 hex><suffix>"; 0 for other names.
uint64_t numberIn(std::string_view name, std::string_view suffix) {
  if (name.size() != 16 + suffix.size() || !name.ends_with(suffix)) return 0;
  uint64_t number = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + 16, number, 16);
  return failed == std::errc() && end == name.data() + 16 ? number : 0;
}

// Entries of a segment up to a damage, or to its end.
struct Stretch {
  uint64_t end = kSegmentHeaderBytes;
  uint64_t lastSequence = 0;
  Damage damage;
};

// The last stretch that is believed. What is proven durable, by `mark`, and cannot be read is lost;
// what is not proven and damaged is the torn tail.
const Stretch& lastBelieved(const std::vector<Stretch>& stretches, uint64_t mark,
                            RecoveryReport& report) {
  for (const Stretch& stretch : stretches) {
    const bool isEnd = &stretch == &stretches.back();
    const bool proven = stretch.lastSequence < mark;
    if (proven && (!isEnd || stretch.damage.bytes > 0)) {
      ++report.damagedRegions;
      report.damagedBytes += stretch.damage.bytes;
    } else {
      report.tornBytes += isEnd ? stretch.damage.bytes : stretches.back().end - stretch.end;
    }
    // Behind a damage that hides entries above the mark, nothing is believed.
    if (isEnd || !proven || stretch.damage.beforeSequence > mark + 1) return stretch;
    report.lostAfterAck += stretch.damage.beforeSequence - stretch.lastSequence - 1;
  }
  return stretches.back();
}

// After a failed sync Linux may hold pages that are clean and yet not on the disk; syncing them
// again does nothing. So what nobody has shown to be durable is written once more before it is
// believed.
base::Status settle(base::File& file, uint64_t from, uint64_t to) {
  std::string bytes;
  for (uint64_t at = from; at < to; at += bytes.size()) {
    bytes.resize(static_cast<size_t>(std::min<uint64_t>(kCopyStep, to - at)));
    const auto got = file.readAt(at, bytes);
    if (!got.ok()) return got.error();
    if (*got < bytes.size())
      return {base::Errc::kStop, "the segment became shorter while it was read"};
    LOGTAIL_TRY(file.write(at, bytes));
  }
  return file.syncData();
}

}  // namespace

base::Status QueueWriter::recover(RecoveryReport& report) {
  LOGTAIL_TRY(fs_.createDirectories(options_.directory));
  Directory found;
  LOGTAIL_TRY(look(found));
  LOGTAIL_TRY(tidy(found, report));
  std::vector<SegmentInfo>& segments = found.segments;
  uint64_t mark = options_.knownDurable <= kMaxSequence ? options_.knownDurable : 0;
  LOGTAIL_TRY(measureAll(segments, mark, report));
  if (!segments.empty()) report.lostAfterAck += lostBefore(found, segments.front());
  ++epoch_;
  nextSequence_ = mark + 1;
  durableSequence_ = mark;
  if (!segments.empty()) {
    previousSegment_ = segments.back().header.segment;
    previousDurable_ = segments.back().readableBytes;
  }
  for (const SegmentInfo& info : segments) {
    if (found.withoutIndex.contains(info.header.segment)) {
      LOGTAIL_TRY(restoreIndex(info));
      ++report.indexesRebuilt;
    }
    list_.add(info);
  }
  list_.setDurable(mark);
  report.queueId = queueId_;
  report.epoch = epoch_;
  report.segments = segments.size();
  return {};
}

base::Status QueueWriter::loadMeta() {
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

// What there is. Changes nothing, so that state of a newer format is left as it was.
base::Status QueueWriter::look(Directory& found) {
  LOGTAIL_TRY(loadMeta());
  const auto names = fs_.list(options_.directory);
  if (!names.ok()) return names.error();
  std::unordered_set<uint64_t> indexes;
  for (const std::string& name : *names) {
    const std::string path = pathOf(name);
    if (const uint64_t aside = numberIn(name, ".seg.damaged"); aside != 0) {
      found.aside.insert(aside);
      skipNumber(aside);
    } else if (name == "meta.tmp" || numberIn(name, ".idx.tmp") != 0) {
      found.leftovers.push_back(path);
    } else if (const uint64_t index = numberIn(name, ".idx"); index != 0) {
      indexes.insert(index);
    } else if (name.starts_with("free-") && name.ends_with(".seg")) {
      freeFiles_.push_back(path);
      uint64_t n = 0;
      std::from_chars(name.data() + 5, name.data() + name.size(), n);
      nextFree_ = std::max(nextFree_, n + 1);
    } else if (const uint64_t number = numberIn(name, ".seg"); number != 0) {
      LOGTAIL_TRY(lookAtSegment(number, path, found));
    }
  }
  std::sort(found.segments.begin(), found.segments.end(),
            [](const SegmentInfo& a, const SegmentInfo& b) {
              return a.header.segment < b.header.segment;
            });
  found.metaMissing = queueId_ == 0;
  if (queueId_ == 0 && !found.segments.empty()) queueId_ = found.segments.back().header.queueId;
  std::erase_if(found.segments, [&](const SegmentInfo& info) {
    if (info.header.queueId == queueId_) return false;
    found.damaged.emplace_back(info.header.segment, info.path);
    return true;
  });
  for (const SegmentInfo& info : found.segments) {
    const auto usable = checkIndex(info);
    if (!usable.ok()) return usable.error();
    if (!*usable) found.withoutIndex.insert(info.header.segment);
    indexes.erase(info.header.segment);
  }
  for (const auto& [number, path] : found.damaged) found.aside.insert(number);
  for (const uint64_t number : found.aside) indexes.erase(number);
  for (const uint64_t orphan : indexes) found.leftovers.push_back(pathOf(indexName(orphan)));
  return {};
}

base::Status QueueWriter::lookAtSegment(uint64_t number, const std::string& path,
                                        Directory& found) {
  nextSegment_ = std::max(nextSegment_, number + 1);
  auto file = fs_.open(path, base::OpenMode::kRead);
  if (!file.ok()) return file.error();
  const auto header = readSegmentHeader(**file, path);
  if (header.ok() && header->segment != number) {
    freeFiles_.push_back(path);  // on its way from one name to the next when the machine stopped
  } else if (header.ok()) {
    found.segments.push_back({*header, path, kSegmentHeaderBytes, 0, header->createdNanos, true});
  } else if (header.code() == base::Errc::kQuarantine) {
    found.damaged.emplace_back(number, path);
  } else {
    return header.error();
  }
  return {};
}

// The numbers of a segment that cannot be read are used up: its epoch is at most its number, as no
// start takes more than one epoch and only those that make a segment take one.
void QueueWriter::skipNumber(uint64_t number) {
  nextSegment_ = std::max(nextSegment_, number + 1);
  epoch_ = std::max(epoch_, static_cast<uint32_t>(number));
}

// Whether the segment has an index that belongs to it.
base::Result<bool> QueueWriter::checkIndex(const SegmentInfo& info) {
  const auto bytes = base::readFile(fs_, pathOf(indexName(info.header.segment)), kMaxIndexBytes);
  if (!bytes.ok()) return false;
  const auto index = decodeIndex(*bytes);
  if (!index.ok() && index.code() == base::Errc::kTooNew) return index.error();
  return index.ok() && index->salt == info.header.salt && index->segment == info.header.segment;
}

// Sets aside what cannot be used, removes what nobody needs, and writes `meta` when it is missing.
base::Status QueueWriter::tidy(const Directory& found, RecoveryReport& report) {
  // A start that was killed may have left `meta` under a name that is not durable; the id in it is
  // told to agents from now on.
  if (!found.metaMissing) LOGTAIL_TRY(fs_.syncDirectory(options_.directory));
  for (const auto& [number, path] : found.damaged) {
    ++report.segmentsSetAside;
    skipNumber(number);
    base::logError("queue: " + path + ": header damaged or of another queue, set aside");
    LOGTAIL_TRY(fs_.rename(path, path + ".damaged"));
  }
  const auto discard = [&](const std::string& path) {
    const base::Status removed = fs_.remove(path);
    if (!removed.ok()) base::logWarn("queue: " + removed.message());
  };
  for (const std::string& path : found.leftovers) discard(path);
  while (freeFiles_.size() > options_.freeSegments) {
    discard(freeFiles_.back());
    freeFiles_.pop_back();
  }
  if (!found.metaMissing) return {};
  const bool empty = found.segments.empty();
  if (queueId_ == 0) queueId_ = base::randomId();
  report.created = empty;
  report.metaRebuilt = !empty;
  return base::writeFileAtomically(fs_, pathOf("meta"), encodeMeta(queueId_));
}

// Entries of a segment before the oldest that was set aside: from its index, at least one without.
uint64_t QueueWriter::lostBefore(const Directory& found, const SegmentInfo& oldest) const {
  const uint64_t number = oldest.header.previousSegment;
  if (!found.aside.contains(number)) return 0;
  const auto bytes = base::readFile(fs_, pathOf(indexName(number)), kMaxIndexBytes);
  if (!bytes.ok()) return 1;
  const auto index = decodeIndex(*bytes);
  const bool usable = index.ok() && index->segment == number && index->firstSequence != 0 &&
                      index->firstSequence < oldest.header.firstSequence;
  return usable ? oldest.header.firstSequence - index->firstSequence : 1;
}

// How far each segment may be read; `mark` becomes the queue's durable mark.
base::Status QueueWriter::measureAll(std::vector<SegmentInfo>& segments, uint64_t& mark,
                                     RecoveryReport& report) {
  for (size_t i = 0; i < segments.size(); ++i) {
    SegmentInfo& info = segments[i];
    epoch_ = std::max(epoch_, info.header.epoch);
    const SegmentInfo* next = i + 1 < segments.size() ? &segments[i + 1] : nullptr;
    info.newestNanos = next != nullptr ? next->header.createdNanos : clock_.wallNanos();
    if (next != nullptr && next->header.previousSegment == info.header.segment) {
      info.readableBytes = next->header.previousDurable;
      info.lastSequence = next->header.firstSequence - 1;
      continue;
    }
    // The newest one, or one whose successor is missing: how far it goes must be looked up.
    uint64_t proven = next != nullptr ? next->header.firstSequence - 1 : mark;
    LOGTAIL_TRY(measure(info, proven, report));
    if (proven > info.lastSequence) report.lostAfterAck += proven - info.lastSequence;
    if (next == nullptr) mark = std::max(proven, info.lastSequence);
  }
  return {};
}

// Walks a segment without a successor that says where it ends. Raises `mark` to what its entries
// prove; leaves the count of entries that are lost at its end to the caller.
base::Status QueueWriter::measure(SegmentInfo& info, uint64_t& mark, RecoveryReport& report) {
  auto file = fs_.open(info.path, base::OpenMode::kReadWrite);
  if (!file.ok()) return file.error();
  const auto size = (*file)->info();
  if (!size.ok()) return size.error();
  SegmentWalker walker(**file, info.header, 0, size->size);
  std::vector<Stretch> stretches;
  Stretch now{kSegmentHeaderBytes, info.header.firstSequence - 1, {}};
  uint64_t provenEnd = kSegmentHeaderBytes;
  uint64_t provenHere = 0;
  for (;;) {
    const auto found = walker.next();
    if (!found.ok()) return found.error();
    if (*found == SegmentWalker::Found::kEntry) {
      const EntryHeader& header = walker.entry().header;
      now.end = walker.offset();
      now.lastSequence = header.completes();
      // Its generation is the first that knows of this mark: all before it is durable.
      if (header.durable > provenHere) {
        provenHere = header.durable;
        provenEnd = walker.entryOffset();
      }
      continue;
    }
    now.damage = walker.damage();
    stretches.push_back(now);
    if (*found == SegmentWalker::Found::kEnd) break;
  }
  mark = std::max(mark, provenHere);
  const Stretch& last = lastBelieved(stretches, mark, report);
  info.readableBytes = last.end;
  info.lastSequence = last.lastSequence;
  // A file that was cut within the padding of its last entry ends before it.
  const uint64_t end = std::min(last.end, size->size);
  return settle(**file, std::min(provenEnd, end), end);
}

base::Status QueueWriter::restoreIndex(const SegmentInfo& info) {
  auto file = fs_.open(info.path, base::OpenMode::kRead);
  if (!file.ok()) return file.error();
  const auto index = buildIndex(**file, info.header, info.readableBytes);
  if (!index.ok()) return index.error();
  saveIndex(*index);
  return {};
}

}  // namespace logtail::wal
