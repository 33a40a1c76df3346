#include "common/event/unit.h"

#include <zstd.h>

#include "common/base/checksum.h"

namespace logtail::event {
namespace {

base::Error damaged(const std::string& what) {
  return {base::Errc::kQuarantine, "unit: " + what};
}

}  // namespace

void store(const UnitHeader& header, char* at) {
  base::storeFixed(at, header.size);
  base::storeFixed(at + 4, header.crc);
  at[8] = static_cast<char>(header.version);
  at[9] = static_cast<char>(header.codec);
  base::storeFixed(at + 10, header.blocks);
  base::storeFixed(at + 12, header.headerBytes);
  base::storeFixed(at + 16, header.rawBytes);
  base::storeFixed(at + 20, header.keyId);
}

base::Result<UnitHeader> peekUnit(std::string_view bytes) {
  if (bytes.size() < kUnitHeaderBytes) return damaged("shorter than its header");
  const char* at = bytes.data();
  UnitHeader header;
  header.size = base::loadFixed<uint32_t>(at);
  header.crc = base::loadFixed<uint32_t>(at + 4);
  header.version = static_cast<uint8_t>(at[8]);
  header.blocks = base::loadFixed<uint16_t>(at + 10);
  header.headerBytes = base::loadFixed<uint32_t>(at + 12);
  header.rawBytes = base::loadFixed<uint32_t>(at + 16);
  header.keyId = base::loadFixed<uint32_t>(at + 20);
  if (header.size > bytes.size() || header.size > kMaxUnitBytes)
    return damaged("size over the limit");
  if (header.version > kUnitVersion) {
    return base::Error{base::Errc::kTooNew, "unit: version " + std::to_string(header.version)};
  }
  if (header.version == 0 || static_cast<uint8_t>(at[9]) > static_cast<uint8_t>(Codec::kZstd)) {
    return damaged("unknown version or codec");
  }
  header.codec = static_cast<Codec>(at[9]);
  if (header.blocks == 0 || header.blocks > kMaxUnitBlocks) return damaged("block count");
  if (header.rawBytes > kMaxUnitRaw) return damaged("body over the limit");
  if (uint64_t{kUnitHeaderBytes} + header.headerBytes > header.size)
    return damaged("header length");
  return header;
}

base::Status checkUnit(std::string_view unit) {
  const auto header = peekUnit(unit);
  if (!header.ok()) return header.error();
  if (base::crc32c(unit.substr(8, header->size - 8)) != header->crc) return damaged("CRC mismatch");
  return {};
}

base::Result<UnitView> UnitView::parse(std::string_view unit) {
  auto header = peekUnit(unit);
  if (!header.ok()) return header.error();
  UnitView view;
  view.header_ = *header;
  view.body_ = unit.substr(kUnitHeaderBytes + header->headerBytes,
                           header->size - kUnitHeaderBytes - header->headerBytes);
  view.blocks_.reserve(header->blocks);
  base::Decoder in(unit.substr(kUnitHeaderBytes, header->headerBytes));
  uint64_t raw = 0;
  for (unsigned i = 0; i < header->blocks; ++i) {
    view.blocks_.push_back(decodeBlockHeader(in));
    raw += uint64_t{view.blocks_.back().messageBytes} + view.blocks_.back().columnBytes;
  }
  if (!in.ok() || in.remaining() != 0) return damaged("malformed block headers");
  if (raw != header->rawBytes) return damaged("block lengths do not add up to the body");
  return view;
}

struct UnitReader::State {
  State() : context(ZSTD_createDCtx()) { LOGTAIL_ASSERT(context != nullptr); }
  ~State() { ZSTD_freeDCtx(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  ZSTD_DCtx* context;
  std::string raw;
  std::vector<BlockHeader> blocks;
  std::vector<size_t> starts;  // of each block in raw
};

UnitReader::UnitReader() : state_(std::make_unique<State>()) {}
UnitReader::~UnitReader() = default;
UnitReader::UnitReader(UnitReader&&) noexcept = default;
UnitReader& UnitReader::operator=(UnitReader&&) noexcept = default;

base::Status UnitReader::open(const UnitView& view) {
  State& s = *state_;
  s.raw.resize(view.header().rawBytes);
  if (view.header().codec == Codec::kNone) {
    if (view.body().size() != s.raw.size()) return damaged("body length");
    s.raw.assign(view.body());
  } else {
    const size_t got = ZSTD_decompressDCtx(s.context, s.raw.data(), s.raw.size(),
                                           view.body().data(), view.body().size());
    if (ZSTD_isError(got) || got != s.raw.size()) return damaged("body does not decompress");
  }
  s.blocks = view.blocks();
  s.starts.clear();
  size_t at = 0;
  for (const BlockHeader& block : s.blocks) {
    s.starts.push_back(at);
    at += size_t{block.messageBytes} + block.columnBytes;
  }
  return {};
}

base::Status UnitReader::readBlock(size_t index, std::vector<Record>& out) {
  State& s = *state_;
  out.clear();
  LOGTAIL_ASSERT(index < s.blocks.size());
  const BlockHeader& block = s.blocks[index];
  const std::string_view raw = s.raw;
  std::string_view messages = raw.substr(s.starts[index], block.messageBytes);
  const std::string_view columns =
      raw.substr(s.starts[index] + block.messageBytes, block.columnBytes);
  if (block.records > columns.size()) return damaged("record count");
  const std::string_view flags = columns.substr(0, block.records);
  base::Decoder in(columns.substr(block.records));
  out.resize(block.records);
  for (uint32_t i = 0; i < block.records; ++i) {
    Record& record = out[i];
    record.flags = static_cast<uint8_t>(flags[i]);
    record.generation = block.generation;
    if ((record.flags & kRecordForeign) != 0) {
      record.generation.fingerprint = in.fixed<uint64_t>();
      record.generation.epoch = static_cast<uint32_t>(in.varint());
      record.offset = in.varint();
    } else {
      record.offset = static_cast<uint64_t>(in.signedVarint());  // a delta, summed below
    }
  }
  uint64_t expected = block.from;
  for (Record& record : out) {
    const uint64_t length = in.varint();
    if (length > messages.size()) return damaged("message length");
    record.message = messages.substr(0, length);
    messages.remove_prefix(length);
    if ((record.flags & kRecordForeign) != 0) continue;
    record.offset += expected;
    expected = record.offset + length;
  }
  auto time = static_cast<uint64_t>(block.observedNanos);
  for (Record& record : out) {
    time += static_cast<uint64_t>(in.signedVarint());
    record.timeNanos = static_cast<int64_t>(time);
  }
  if (!in.ok()) return damaged("malformed columns");
  if (in.remaining() != 0 || !messages.empty()) return damaged("columns do not match the body");
  return {};
}

}  // namespace logtail::event
