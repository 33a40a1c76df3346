#pragma once
// Builds one unit: blocks of one or several streams, their messages gathered into one body.
//
// Flow: record assembler -> UnitWriter -> sealed unit -> shipper. Owned by one tail worker, reused
// for every unit; its memory is fixed at construction (six times kMaxUnitRaw, touched as far as it
// is used, and the compressor). The caller asks fits() before add(): that is the only bound check
// on the hot path.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/event/record.h"
#include "common/event/unit.h"

namespace logtail::event {

class UnitWriter {
 public:
  explicit UnitWriter(int compressionLevel);
  ~UnitWriter();
  UnitWriter(const UnitWriter&) = delete;
  UnitWriter& operator=(const UnitWriter&) = delete;

  bool empty() const { return headers_.empty(); }
  bool blockOpen() const { return open_; }
  size_t rawBytes() const { return size_ + columnBytes(); }
  const std::vector<BlockHeader>& blocks() const { return headers_; }

  // Opens a block; its stream, generation, ordinal, from, observed time and config epoch are taken
  // from `start`, the counts are kept here.
  void beginBlock(const BlockHeader& start);

  // Whether a record with this many message bytes still goes into the open block.
  bool fits(size_t messageBytes) const {
    return size_ + messageBytes + columnBytes() + kMaxRecordColumns <= kMaxUnitRaw;
  }
  bool hasRoomForBlock() const {
    return headers_.size() < kMaxUnitBlocks && rawBytes() + kMaxRecordColumns < kMaxUnitRaw;
  }

  // Adds a record of the open block's generation that starts at `offset`; `rawBytes` are the file
  // bytes it accounts for, `messageHash` is base::hash64 of the message.
  void add(int64_t timeNanos, uint64_t offset, uint8_t flags, std::string_view message,
           uint64_t rawBytes);
  // The same for a record whose first byte lies in `generation`.
  void addForeign(int64_t timeNanos, const GenerationId& generation, uint64_t offset, uint8_t flags,
                  std::string_view message, uint64_t rawBytes);
  void drop(DropReason reason, uint64_t records, uint64_t bytes);
  void lose(LossReason reason, uint64_t bytes);

  // Closes the open block at `to`; its header then holds all counts. The reference lives until the
  // next call.
  const BlockHeader& endBlock(uint64_t to, const ChannelStates& channels, uint64_t tailHash,
                              uint32_t flags);

  // Takes the open block back: for one that got no byte.
  void cancelBlock();

  // Seals the unit into `out` (replaced, no longer than it must be) and starts over empty. Needs at
  // least one block, none open.
  void seal(std::string& out);
  // Starts over empty; what was added is gone.
  void discard();

  static constexpr size_t kMaxRecordColumns = 64;  // bytes of columns one record may take

 private:
  struct Compressor;
  size_t columnBytes() const {
    return static_cast<size_t>((flagsAt_ - flags_.get()) + (wheresAt_ - wheres_.get()) +
                               (lengthsAt_ - lengths_.get()) + (timesAt_ - times_.get()));
  }
  void resetColumns();
  void append(int64_t timeNanos, uint64_t offset, uint8_t flags, std::string_view message,
              uint64_t rawBytes, uint64_t seed);

  std::unique_ptr<Compressor> compressor_;
  std::unique_ptr<char[]> body_;   // kMaxUnitRaw: closed blocks, then messages of the open one
  size_t size_ = 0;                // bytes used of body_
  std::unique_ptr<char[]> flags_;  // columns of the open block, each kMaxUnitRaw
  std::unique_ptr<char[]> wheres_;
  std::unique_ptr<char[]> lengths_;
  std::unique_ptr<char[]> times_;
  std::unique_ptr<char[]> packed_;  // the compressed body, before it is copied out
  char* flagsAt_;
  char* wheresAt_;
  char* lengthsAt_;
  char* timesAt_;
  std::vector<BlockHeader> headers_;
  bool open_ = false;
  size_t blockStart_ = 0;  // of the open block's messages in body_
  uint64_t seed_ = 0;
  uint64_t expectedOffset_ = 0;
  int64_t previousTime_ = 0;
  std::string headerBytes_;
};

}  // namespace logtail::event
