#include "common/wal/segment_index.h"

#include <algorithm>

#include "common/base/checksum.h"
#include "common/event/unit.h"

namespace logtail::wal {
namespace {

constexpr std::string_view kMagic = "LTQIDX01";
constexpr uint32_t kIndexVersion = 1;

}  // namespace

void SegmentIndex::add(uint64_t offset, const EntryHeader& header, int64_t receivedNanos,
                       const std::vector<StreamSpan>& spans) {
  if (firstSequence == 0) firstSequence = header.sequence;
  lastSequence = header.completes();
  bytes = offset + header.storedBytes();
  if (receivedNanos != 0 && (places.empty() || offset >= places.back().offset + kIndexStep)) {
    places.push_back({offset, header.sequence, receivedNanos});
  }
  for (const StreamSpan& span : spans) {
    if (span.minTimeNanos > span.maxTimeNanos) continue;
    const auto [at, isNew] =
        streams.try_emplace(span.key, StreamRange{span.minTimeNanos, span.maxTimeNanos, offset});
    if (isNew) continue;
    at->second.minTimeNanos = std::min(at->second.minTimeNanos, span.minTimeNanos);
    at->second.maxTimeNanos = std::max(at->second.maxTimeNanos, span.maxTimeNanos);
  }
}

std::string encodeIndex(const SegmentIndex& index) {
  std::string out(kMagic);
  base::putFixed(out, kIndexVersion);
  base::putFixed(out, index.salt);
  base::putFixed(out, index.segment);
  base::putFixed(out, index.firstSequence);
  base::putFixed(out, index.lastSequence);
  base::putFixed(out, index.bytes);
  base::putVarint(out, index.streams.size());
  for (const auto& [key, range] : index.streams) {
    base::putFixed(out, key.hash.low);
    base::putFixed(out, key.hash.high);
    base::putFixed(out, range.minTimeNanos);
    base::putFixed(out, range.maxTimeNanos);
    base::putFixed(out, range.firstOffset);
  }
  base::putVarint(out, index.places.size());
  for (const IndexPlace& place : index.places) {
    base::putFixed(out, place.offset);
    base::putFixed(out, place.sequence);
    base::putFixed(out, place.receivedNanos);
  }
  base::putFixed(out, base::crc32c(out));
  return out;
}

base::Result<SegmentIndex> decodeIndex(std::string_view bytes) {
  const base::Error damaged{base::Errc::kQuarantine, "damaged segment index"};
  if (bytes.size() < kMagic.size() + 8 || !bytes.starts_with(kMagic)) return damaged;
  const std::string_view covered = bytes.substr(0, bytes.size() - 4);
  if (base::loadFixed<uint32_t>(bytes.data() + covered.size()) != base::crc32c(covered)) {
    return damaged;
  }
  base::Decoder in(covered.substr(kMagic.size()));
  const auto version = in.fixed<uint32_t>();
  if (version > kIndexVersion) {
    return base::Error{base::Errc::kTooNew,
                       "segment index format version " + std::to_string(version)};
  }
  SegmentIndex index;
  index.salt = in.fixed<uint32_t>();
  index.segment = in.fixed<uint64_t>();
  index.firstSequence = in.fixed<uint64_t>();
  index.lastSequence = in.fixed<uint64_t>();
  index.bytes = in.fixed<uint64_t>();
  const uint64_t streams = in.varint();
  for (uint64_t i = 0; i < streams && in.ok(); ++i) {
    event::StreamKey key;
    key.hash.low = in.fixed<uint64_t>();
    key.hash.high = in.fixed<uint64_t>();
    StreamRange range;
    range.minTimeNanos = in.fixed<int64_t>();
    range.maxTimeNanos = in.fixed<int64_t>();
    range.firstOffset = in.fixed<uint64_t>();
    index.streams.emplace(key, range);
  }
  const uint64_t places = in.varint();
  for (uint64_t i = 0; i < places && in.ok(); ++i) {
    IndexPlace place;
    place.offset = in.fixed<uint64_t>();
    place.sequence = in.fixed<uint64_t>();
    place.receivedNanos = in.fixed<int64_t>();
    index.places.push_back(place);
  }
  if (!in.ok()) return damaged;
  return index;
}

EntryContent contentOf(const EntryView& entry) {
  EntryContent content;
  if (entry.header.kind != EntryKind::kFrame) return content;
  const auto frame = decodeFrame(entry.payload);
  if (!frame.ok()) return content;
  content.receivedNanos = frame->envelope.receivedNanos;
  const base::Status walked = forEachUnit(frame->units, [&](std::string_view unit) -> base::Status {
    const auto view = event::UnitView::parse(unit);
    if (!view.ok()) return view.error();
    for (const event::BlockHeader& block : view->blocks()) {
      if (block.records == 0) continue;
      content.streams.push_back({block.stream, block.minTimeNanos, block.maxTimeNanos});
    }
    return {};
  });
  if (!walked.ok()) content.streams.clear();
  return content;
}

base::Result<SegmentIndex> buildIndex(base::File& file, const SegmentHeader& header,
                                      uint64_t bytes) {
  SegmentIndex index;
  index.salt = header.salt;
  index.segment = header.segment;
  SegmentWalker walker(file, header, 0, bytes);
  for (;;) {
    const auto found = walker.next();
    if (!found.ok()) return found.error();
    if (*found == SegmentWalker::Found::kEnd) return index;
    if (*found == SegmentWalker::Found::kDamage) continue;
    const EntryContent content = contentOf(walker.entry());
    index.add(walker.entryOffset(), walker.entry().header, content.receivedNanos, content.streams);
  }
}

std::string indexName(uint64_t number) {
  std::string name = segmentName(number);
  return name.replace(name.size() - 3, 3, "idx");
}

}  // namespace logtail::wal
