#pragma once
// Joins the physical lines of one stream into records: CRI parts per channel, limits, odd lines.
//
// Flow: StreamTailer (slabs of whole lines) -> RecordAssembler -> the worker's UnitWriter.
// Owned by its StreamTailer; `budget`, the time cache and the counts, which streams share, must
// outlive it. Thread: its tail worker's. Every byte it consumes is a record byte, a counted drop,
// or a byte of an open record; nothing it is given can fail, only a unit can be full: then it stops
// before the line that did not fit.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/memory_budget.h"
#include "common/event/unit_writer.h"
#include "parsers/cri.h"

namespace logtail::agent {

// One line of a file. `text` may be only the head of a line that is longer than a slab.
struct PhysicalLine {
  std::string_view text;    // without its newline
  uint64_t offset = 0;      // of its first byte in the generation
  uint64_t rawBytes = 0;    // with its newline
  bool unfinished = false;  // no newline at the generation's final end
};

struct AssemblerCounts {
  uint64_t malformedLines = 0;
  uint64_t cutAtLimit = 0;  // records longer than maxLine
  uint64_t incompleteRecords = 0;
  uint64_t cutForMemory = 0;  // open records emitted early because the budget was used up
};

class RecordAssembler {
 public:
  enum class Stop : uint8_t { kNeedMore, kUnitFull };
  struct Consumed {
    uint64_t bytes = 0;
    Stop stop = Stop::kNeedMore;
  };

  RecordAssembler(size_t maxLine, base::MemoryBudget& budget, parsers::CriTimeCache& cache,
                  AssemblerCounts& counts)
      : maxLine_(maxLine), budget_(budget), cache_(cache), counts_(counts) {}

  // Consumes whole lines of `bytes`, which start at `offset` of `generation`, into the open block
  // of `writer`. Stops behind the last newline, or before a line that does not fit the unit.
  Consumed consume(std::string_view bytes, const event::GenerationId& generation, uint64_t offset,
                   int64_t observedNanos, event::UnitWriter& writer);
  // One line by itself; false (nothing done) when it does not fit the unit.
  bool consumeLine(const PhysicalLine& line, const event::GenerationId& generation,
                   int64_t observedNanos, event::UnitWriter& writer);
  // Stream end: what is still open becomes a record flagged incomplete. False when it does not fit;
  // call again with an empty unit.
  bool finish(const event::GenerationId& current, event::UnitWriter& writer);

  // Takes over the channel states of a resume point; an open channel then wants rebuild().
  void resume(const event::ChannelStates& states);
  // Gives an open channel its parts again: `lines` are the whole lines from where the record was
  // opened (or, in a later generation, from its start) to where the stream was consumed.
  void rebuild(event::Channel channel, std::string_view lines);
  // The open record's first parts are gone from the disk: returns its open bytes, to be counted
  // lost.
  uint64_t abandon(event::Channel channel);

  event::ChannelStates states() const;
  bool anyOpen() const;

 private:
  struct OpenRecord {
    event::ChannelState state;
    int64_t timeNanos = 0;
    std::string text;
    base::MemoryBudget::Reservation memory;
  };

  bool join(const PhysicalLine& line, const parsers::CriLine& cri,
            const event::GenerationId& generation, event::UnitWriter& writer);
  bool emitWhole(const PhysicalLine& line, int64_t timeNanos, uint8_t flags, std::string_view text,
                 event::UnitWriter& writer);
  bool emitOpen(OpenRecord& open, const event::GenerationId& generation, std::string_view lastPart,
                uint64_t lastBytes, uint8_t flags, event::UnitWriter& writer);
  void clear(OpenRecord& open);

  const size_t maxLine_;
  base::MemoryBudget& budget_;
  parsers::CriTimeCache& cache_;
  AssemblerCounts& counts_;
  std::array<OpenRecord, event::kChannels> open_;
};

}  // namespace logtail::agent
