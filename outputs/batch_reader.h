#pragma once
// Reads the queue from a cursor on and decodes what outputs are handed: batches of blocks.
//
// Flow: QueueReader -> BatchReader -> OutputRunner -> Output. Obeys the verdicts; a frame may span
// several batches, so that memory is bounded whatever it unpacks to. Owned by one runner, its
// thread only; a batch may be let go on any thread. File system and list must outlive it, `onFree`
// every batch. A unit that does not decode though its CRC is right is left out and counted: the
// audit then misses its records.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/file_system.h"
#include "common/event/unit.h"
#include "common/wal/queue_reader.h"
#include "outputs/batch.h"

namespace logtail::outputs {

// A batch ends with the unit that reaches one of these.
struct BatchLimits {
  size_t rawBytes = 1024 * 1024;
  size_t records = 16 * 1024;
  size_t units = 16;
  size_t batches = 4;  // decoded and not let go, at most

  // What `batches` of them take at most: the last unit may bring as many records as fit into one.
  uint64_t memoryBytes() const;
};

class BatchReader {
 public:
  enum class Next : uint8_t { kBatch, kWait, kNoRoom };
  // The encoded description of a stream, for one whose own entry is damaged; empty when unknown.
  using Describe = std::function<std::string(const event::StreamKey&)>;

  // `onFree` is called, on any thread, when a batch was let go after next() had no room.
  BatchReader(base::FileSystem& files, const wal::SegmentList& queue, uint64_t queueId,
              BatchLimits limits, Describe describe, std::function<void()> onFree);
  ~BatchReader();

  void seek(const wal::Position& position);
  // kBatch: take() has it. kWait: nothing durable follows now. kNoRoom: all batches are held.
  // Entries at or before `skipThrough` are given up: counted in Batch::skipped, not decoded.
  // Errors as QueueReader's; the next call goes on at the same place.
  base::Result<Next> next(uint64_t skipThrough);
  BatchPtr take();

  const wal::Position& position() const { return position_; }  // of what comes next
  const wal::ReaderCounts& queueCounts() const { return reader_.counts(); }
  uint64_t undecodableUnits() const { return undecodableUnits_; }

 private:
  class Decoded;
  struct Pool;
  // The frame that is being taken apart; its bytes live as long as the queue's entry.
  struct OpenFrame {
    wal::FrameView frame;
    uint64_t sequence = 0;
    uint32_t unit = 0;       // the next one
    size_t offset = 0;       // of it in frame.units
    size_t verdict = 0;      // of its first block
    uint32_t skipUnits = 0;  // done before this start
  };
  using DescriptionPtr = std::shared_ptr<const event::StreamDescription>;
  struct Known {
    std::string encoded;
    DescriptionPtr description;
  };
  using Descriptions = std::unordered_map<event::StreamKey, Known, event::StreamKeyHash>;

  std::shared_ptr<Decoded> acquire();
  base::Result<bool> nextEntry();
  void openFrame(const wal::EntryView& entry);
  void takeUnit(uint64_t skipThrough, Decoded& batch);
  void decode(const event::UnitView& view, Decoded& batch);
  void undecodable(const std::string& why);
  void learn(std::string_view payload);
  DescriptionPtr descriptionOf(const event::StreamKey& key);

  const uint64_t queueId_;
  const BatchLimits limits_;
  const Describe describe_;
  wal::QueueReader reader_;
  wal::Position position_;
  std::optional<OpenFrame> frame_;
  uint32_t resumeUnit_ = 0;  // of the entry at which reading starts
  uint64_t segment_ = 0;     // of which known_ holds the descriptions
  Descriptions known_;
  Descriptions before_;  // of the segment before: the same objects are used again
  std::shared_ptr<Pool> pool_;
  std::shared_ptr<Decoded> ready_;
  uint64_t undecodableUnits_ = 0;
};

}  // namespace logtail::outputs
