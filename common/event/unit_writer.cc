#include "common/event/unit_writer.h"

#include <zstd.h>

#include <algorithm>
#include <cstring>

namespace logtail::event {

// The zstd context, made once: its tables are the larger part of a writer's memory.
struct UnitWriter::Compressor {
  explicit Compressor(int level) : context(ZSTD_createCCtx()) {
    LOGTAIL_ASSERT(context != nullptr);
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);  // the unit has a CRC of its own
  }
  ~Compressor() { ZSTD_freeCCtx(context); }
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ZSTD_CCtx* context;
};

// Columns need kMaxRecordColumns at most a record and never more than fits() lets in.
UnitWriter::UnitWriter(int compressionLevel)
    : compressor_(std::make_unique<Compressor>(compressionLevel)),
      body_(std::make_unique_for_overwrite<char[]>(kMaxUnitRaw)),
      flags_(std::make_unique_for_overwrite<char[]>(kMaxUnitRaw)),
      varints_(std::make_unique_for_overwrite<char[]>(kMaxUnitRaw)),
      flagsAt_(flags_.get()),
      varintsAt_(varints_.get()) {}

UnitWriter::~UnitWriter() = default;

void UnitWriter::beginBlock(const BlockHeader& start) {
  LOGTAIL_ASSERT(!open_ && hasRoomForBlock());
  BlockHeader& block = headers_.emplace_back();
  block.stream = start.stream;
  block.generation = start.generation;
  block.ordinal = start.ordinal;
  block.from = start.from;
  block.to = start.from;
  block.observedNanos = start.observedNanos;
  block.configEpoch = start.configEpoch;
  open_ = true;
  blockStart_ = size_;
  flagsAt_ = flags_.get();
  varintsAt_ = varints_.get();
  seed_ = identitySeed(block.stream, block.generation);
  expectedOffset_ = block.from;
  previousTime_ = block.observedNanos;
}

void UnitWriter::append(int64_t timeNanos, uint64_t offset, uint8_t flags, std::string_view message,
                        uint64_t rawBytes, uint64_t seed) {
  BlockHeader& block = headers_.back();
  varintsAt_ = base::storeVarint(varintsAt_, message.size());
  varintsAt_ = base::storeVarint(varintsAt_, base::zigzag(timeNanos - previousTime_));
  previousTime_ = timeNanos;
  *flagsAt_++ = static_cast<char>(flags);
  std::memcpy(body_.get() + size_, message.data(), message.size());
  size_ += message.size();
  if (block.records++ == 0) {
    block.minTimeNanos = block.maxTimeNanos = timeNanos;
  } else {
    block.minTimeNanos = std::min(block.minTimeNanos, timeNanos);
    block.maxTimeNanos = std::max(block.maxTimeNanos, timeNanos);
  }
  block.recordBytes += rawBytes;
  block.digest += recordDigest(seed, offset, timeNanos, flags, base::hash64(message));
}

void UnitWriter::add(int64_t timeNanos, uint64_t offset, uint8_t flags, std::string_view message,
                     uint64_t rawBytes) {
  varintsAt_ = base::storeVarint(
      varintsAt_, base::zigzag(static_cast<int64_t>(offset - expectedOffset_)));
  expectedOffset_ = offset + message.size();
  append(timeNanos, offset, flags, message, rawBytes, seed_);
}

void UnitWriter::addForeign(int64_t timeNanos, const GenerationId& generation, uint64_t offset,
                            uint8_t flags, std::string_view message, uint64_t rawBytes) {
  base::storeFixed(varintsAt_, generation.fingerprint);
  varintsAt_ = base::storeVarint(varintsAt_ + 8, generation.epoch);
  varintsAt_ = base::storeVarint(varintsAt_, offset);
  append(timeNanos, offset, flags | kRecordForeign, message, rawBytes,
         identitySeed(headers_.back().stream, generation));
}

void UnitWriter::drop(DropReason reason, uint64_t records, uint64_t bytes) {
  DropCount& count = headers_.back().drops[static_cast<size_t>(reason)];
  count.records += records;
  count.bytes += bytes;
}

void UnitWriter::lose(LossReason reason, uint64_t bytes) {
  headers_.back().lostBytes += bytes;
  headers_.back().lossReason = reason;
}

const BlockHeader& UnitWriter::endBlock(uint64_t to, const ChannelStates& channels,
                                        uint64_t tailHash, uint32_t flags) {
  LOGTAIL_ASSERT(open_);
  BlockHeader& block = headers_.back();
  block.to = to;
  block.channels = channels;
  block.tailHash = tailHash;
  block.flags = flags;
  block.messageBytes = static_cast<uint32_t>(size_ - blockStart_);
  block.columnBytes = static_cast<uint32_t>(columnBytes());
  const auto flagBytes = static_cast<size_t>(flagsAt_ - flags_.get());
  const auto varintBytes = static_cast<size_t>(varintsAt_ - varints_.get());
  std::memcpy(body_.get() + size_, flags_.get(), flagBytes);
  std::memcpy(body_.get() + size_ + flagBytes, varints_.get(), varintBytes);
  size_ += flagBytes + varintBytes;
  flagsAt_ = flags_.get();
  varintsAt_ = varints_.get();
  open_ = false;
  return block;
}

void UnitWriter::seal(std::string& out) {
  LOGTAIL_ASSERT(!open_ && !headers_.empty());
  headerBytes_.clear();
  for (const BlockHeader& block : headers_) encode(block, headerBytes_);
  UnitHeader header;
  header.blocks = static_cast<uint16_t>(headers_.size());
  header.headerBytes = static_cast<uint32_t>(headerBytes_.size());
  header.rawBytes = static_cast<uint32_t>(size_);
  const size_t bodyAt = kUnitHeaderBytes + headerBytes_.size();
  const size_t bound = ZSTD_compressBound(size_);
  out.resize(bodyAt + bound);
  size_t stored =
      ZSTD_compress2(compressor_->context, out.data() + bodyAt, bound, body_.get(), size_);
  if (ZSTD_isError(stored) || stored >= size_) {
    header.codec = Codec::kNone;
    std::memcpy(out.data() + bodyAt, body_.get(), size_);
    stored = size_;
  }
  out.resize(bodyAt + stored);
  std::memcpy(out.data() + kUnitHeaderBytes, headerBytes_.data(), headerBytes_.size());
  header.size = static_cast<uint32_t>(out.size());
  store(header, out.data());
  base::storeFixed(out.data() + 4, base::crc32c(std::string_view(out).substr(8)));
  headers_.clear();
  size_ = 0;
}

}  // namespace logtail::event
