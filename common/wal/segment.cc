#include "common/wal/segment.h"

#include <algorithm>
#include <cstring>

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::wal {
namespace {

constexpr std::string_view kMagic = "LTQSEG01";
constexpr size_t kHeaderFields = 80;  // of one copy, its CRC included
constexpr size_t kReadStep = 1024 * 1024;

std::string encodeCopy(const SegmentHeader& h) {
  std::string out(kMagic);
  base::putFixed(out, kSegmentVersion);
  base::putFixed(out, h.epoch);
  base::putFixed(out, h.queueId);
  base::putFixed(out, h.segment);
  base::putFixed(out, h.firstSequence);
  base::putFixed(out, h.previousSegment);
  base::putFixed(out, h.previousDurable);
  base::putFixed(out, h.createdNanos);
  base::putFixed(out, h.salt);
  base::putFixed(out, uint32_t{0});
  base::putFixed(out, uint32_t{0});
  base::putFixed(out, base::crc32c(out));
  LOGTAIL_ASSERT(out.size() == kHeaderFields);
  return out;
}

base::Result<SegmentHeader> decodeCopy(std::string_view bytes, const std::string& path) {
  const base::Error damaged{base::Errc::kQuarantine, path + ": damaged segment header"};
  if (bytes.size() < kHeaderFields || !bytes.starts_with(kMagic)) return damaged;
  if (base::loadFixed<uint32_t>(bytes.data() + kHeaderFields - 4) !=
      base::crc32c(bytes.substr(0, kHeaderFields - 4))) {
    return damaged;
  }
  base::Decoder in(bytes.substr(kMagic.size()));
  const auto version = in.fixed<uint32_t>();
  if (version > kSegmentVersion) {
    return base::Error{base::Errc::kTooNew, path + ": segment format version " +
                                                std::to_string(version) + ", this is version " +
                                                std::to_string(kSegmentVersion)};
  }
  SegmentHeader h;
  h.epoch = in.fixed<uint32_t>();
  h.queueId = in.fixed<uint64_t>();
  h.segment = in.fixed<uint64_t>();
  h.firstSequence = in.fixed<uint64_t>();
  h.previousSegment = in.fixed<uint64_t>();
  h.previousDurable = in.fixed<uint64_t>();
  h.createdNanos = in.fixed<int64_t>();
  h.salt = in.fixed<uint32_t>();
  if (h.firstSequence == 0 || h.firstSequence > kMaxSequence) return damaged;
  return h;
}

}  // namespace

std::string encodeSegmentHeader(const SegmentHeader& header) {
  const std::string copy = encodeCopy(header);
  std::string out = copy;
  out.resize(kSegmentHeaderCopy, '\0');
  out += copy;
  out.resize(kSegmentHeaderBytes, '\0');
  return out;
}

base::Result<SegmentHeader> readSegmentHeader(base::File& file, const std::string& path) {
  std::string bytes(kSegmentHeaderBytes, '\0');
  const auto got = file.readAt(0, bytes);
  if (!got.ok()) return got.error();
  bytes.resize(*got);
  auto first = decodeCopy(bytes, path);
  if (first.ok() || first.code() == base::Errc::kTooNew || bytes.size() < kSegmentHeaderCopy) {
    return first;
  }
  return decodeCopy(std::string_view(bytes).substr(kSegmentHeaderCopy), path);
}

std::string segmentName(uint64_t number) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (int shift = 60; shift >= 0; shift -= 4) name.push_back(kDigits[(number >> shift) & 15]);
  return name + ".seg";
}

SegmentWalker::SegmentWalker(base::File& file, const SegmentHeader& header, uint64_t offset,
                             uint64_t end)
    : file_(file),
      salt_(header.salt),
      offset_(std::max(offset, kSegmentHeaderBytes)),
      end_(std::max(end, kSegmentHeaderBytes)),
      lastSequence_(header.firstSequence - 1) {}

void SegmentWalker::extend(uint64_t end) {
  if (end <= end_) return;
  end_ = end;
  buffer_.clear();  // may have been read short of the new end
}

// `bytes` of the file from `offset`, fewer at the end; lives until the next call.
base::Result<std::string_view> SegmentWalker::view(uint64_t offset, size_t bytes) {
  if (offset >= end_) return std::string_view();
  bytes = static_cast<size_t>(std::min<uint64_t>(bytes, end_ - offset));
  if (offset < bufferAt_ || offset + bytes > bufferAt_ + buffer_.size()) {
    const auto want =
        static_cast<size_t>(std::min<uint64_t>(std::max(bytes, kReadStep), end_ - offset));
    buffer_.resize(want);
    const auto got = file_.readAt(offset, buffer_);
    if (!got.ok()) {
      buffer_.clear();
      return got.error();
    }
    buffer_.resize(*got);
    bufferAt_ = offset;
  }
  return std::string_view(buffer_).substr(static_cast<size_t>(offset - bufferAt_), bytes);
}

base::Result<bool> SegmentWalker::tryEntry(uint64_t offset) {
  const auto head = view(offset, kEntryHeaderBytes);
  if (!head.ok()) return head.error();
  EntryHeader header;
  if (head->size() < kEntryHeaderBytes || !loadEntryHeader(head->data(), salt_, header) ||
      header.sequence <= lastSequence_) {
    return false;
  }
  const auto all = view(offset, kEntryHeaderBytes + header.length);
  if (!all.ok()) return all.error();
  if (all->size() < kEntryHeaderBytes + header.length) return false;
  const std::string_view payload = all->substr(kEntryHeaderBytes);
  if (base::crc32c(payload, salt_) != header.payloadCrc) return false;
  entry_ = {header, payload};
  entryOffset_ = offset;
  return true;
}

base::Result<SegmentWalker::Found> SegmentWalker::next() {
  const auto found = tryEntry(offset_);
  if (!found.ok()) return found.error();
  if (!*found) return findNext(offset_);
  offset_ += entry_.header.storedBytes();
  lastSequence_ = entry_.header.completes();
  return Found::kEntry;
}

base::Result<SegmentWalker::Found> SegmentWalker::findNext(uint64_t from) {
  damage_ = {from, 0, lastSequence_, 0};
  const auto first = view(from, kEntryHeaderBytes);
  if (!first.ok()) return first.error();
  // A recycled file goes on with bytes of its former life: only a header that checks, before a
  // payload that does not, is known to be a torn entry of this one.
  EntryHeader torn;
  const bool clean =
      first->size() < kEntryHeaderBytes || !loadEntryHeader(first->data(), salt_, torn);
  for (uint64_t at = from + 8; at + kEntryHeaderBytes <= end_; at += 8) {
    const auto word = view(at, 4);
    if (!word.ok()) return word.error();
    if (word->size() < 4) break;
    if (base::loadFixed<uint32_t>(word->data()) != kEntryMagic) continue;
    const auto found = tryEntry(at);
    if (!found.ok()) return found.error();
    if (!*found) continue;
    damage_.bytes = at - from;
    damage_.beforeSequence = entry_.header.sequence;
    offset_ = at;  // the entry itself comes with the next call
    return Found::kDamage;
  }
  damage_.bytes = clean ? 0 : end_ - from;
  return Found::kEnd;
}

}  // namespace logtail::wal
