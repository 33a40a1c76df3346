#pragma once
// Follows one stream through its generations, from the directory to blocks in the worker's unit.
//
// Flow: TailWorker (whose turn it is) -> StreamTailer -> RecordAssembler -> UnitWriter.
// Life: discovered (files held open, nothing read) -> planned (the ledger said where to resume) ->
// gone (its container went: every file is at its final end) -> done (all of it acknowledged).
// Owned by its TailWorker, which outlives it with everything in TailContext. Thread: the worker's.
// A file that cannot be read costs its unread bytes, which are counted lost; nothing here throws.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/log_directory.h"
#include "agent/log_file.h"
#include "agent/record_assembler.h"
#include "agent/stream_plan.h"
#include "common/base/clock.h"

namespace logtail::agent {

struct TailCounts {
  uint64_t readBytes = 0;    // handed out by the file for the first time
  uint64_t rereadBytes = 0;  // read again after a start, to rebuild open records
  uint64_t truncations = 0;
  uint64_t lateGenerations = 0;
  uint64_t unreadableFiles = 0;
};

// What a tailer needs of its worker for one turn. `seal` hands the unit on; false when the way is
// blocked: then the turn ends and nothing more may be added.
struct TailContext {
  event::UnitWriter& writer;
  std::span<char> slab;
  base::Clock& clock;
  TailCounts& counts;
  uint32_t configEpoch;
  base::Nanos grace;  // a rotated file's end is final this long after its successor was seen
  bool (*seal)(void* worker);
  void* worker;
};

enum class Turn : uint8_t {
  kIdle,     // nothing to read now
  kMore,     // more is there: queue the stream again
  kBlocked,  // the way is blocked: come back when there is room
};

class StreamTailer {
 public:
  StreamTailer(event::StreamDescription description, std::string directory, size_t maxLine,
               base::MemoryBudget& budget, parsers::CriTimeCache& cache);

  // Looks at the directory again: opens what is new, follows renames, leaves out what is done.
  void refresh(TailContext& context);
  // The ledger's answer; before it nothing is read. May be called again after a reset().
  // What was acknowledged before up to `doubtful` is sent again flagged in doubt; null: nothing
  // was.
  void plan(const event::Resume& resume, const event::Resume* doubtful, StartAt start,
            TailContext& context);
  // Reads at most one slab. Call until it does not say kMore.
  Turn turn(TailContext& context);
  // The container is gone (symlink or directory): what is there now is all there will be.
  void markGone(base::Nanos now);
  // A block of this stream is durable at the aggregator.
  void acknowledged(const event::BlockHeader& block);
  // A new life of the data path: forgets all positions, keeps files open; plan() comes again.
  void reset();

  const event::StreamKey& key() const { return key_; }
  const event::StreamDescription& description() const { return description_; }
  const std::string& directory() const { return directory_; }
  bool planned() const { return planned_; }
  bool done() const;  // gone, at its end and acknowledged: may be removed
  // When turn() wants to be called again without any event (end of a grace); none: never.
  std::optional<base::Nanos> wakeAt() const { return wakeAt_; }
  const RecordAssembler& assembler() const { return assembler_; }

  // What STATS tells of this life.
  struct Sealed {
    uint64_t readBytes = 0;
    uint64_t rereadBytes = 0;
    uint64_t bytes = 0;
    uint64_t records = 0;
    uint64_t digest = 0;
  };
  const Sealed& sealed() const { return sealed_; }
  uint64_t unsealedBytes() const;  // of the files held, behind what is sealed

 private:
  struct Generation {
    std::shared_ptr<LogFile> file;  // null: gone
    std::string path;
    std::optional<event::GenerationId> id;
    uint32_t ordinal = 0;
    uint64_t to = 0;
    uint64_t tailHash = 0;
    uint64_t readTo = 0;   // handed out by the file so far
    std::string carry;     // gzip only: the last <= kTailBytes before `to`
    uint32_t flags = 0;    // of every block: late
    uint64_t doubtTo = 0;  // blocks that begin before are in doubt
    bool atEnd = false;    // starts behind the last whole line
    bool endSent = false;
    bool endAcked = false;
    event::LossReason tailLost = event::LossReason::kNone;
    std::optional<base::Nanos> successorSeen;
  };
  struct LongLine {
    std::string head;  // its first bytes, as many as a record may need
    uint64_t offset = 0;
    uint64_t scanned = 0;  // bytes looked at so far
  };
  enum class Step : uint8_t { kProgress, kEndOfFile, kBlocked };

  Step read(size_t index, TailContext& context);
  Step consume(Generation& generation, size_t lead, std::string_view bytes, TailContext& context);
  Step scanLongLine(Generation& generation, std::string_view bytes, TailContext& context);
  Step emitLine(Generation& generation, const PhysicalLine& line, uint64_t to, uint64_t tailHash,
                TailContext& context);
  Step finish(size_t index, TailContext& context);
  Step finishStream(Generation& generation, TailContext& context);
  Step loseRest(Generation& generation, event::LossReason reason, TailContext& context);
  Step afterEndOfFile(size_t index, TailContext& context);
  Turn flushAtStreamEnd(TailContext& context);
  void markEnded(Generation& generation);
  void noteRead(Generation& generation, uint64_t end, TailContext& context);
  bool identify(Generation& generation, bool final);
  void startAtEnd(Generation& generation, TailContext& context);
  void restartRewritten(size_t index, TailContext& context);
  bool beginBlock(const Generation& generation, TailContext& context);
  void endBlock(Generation& generation, uint64_t to, uint64_t tailHash, uint32_t flags,
                TailContext& context);
  bool isFinal(size_t index, base::Nanos now, base::Nanos grace) const;
  void wakeBy(base::Nanos when);
  void forgetFinished();

  // stream_tailer_files.cc
  bool openListed(bool lastTry, TailContext& context);
  bool open(const ListedLogFile& listed, size_t position, TailContext& context);
  bool isCopyOfKnown(const ListedLogFile& listed, const LogFile& file) const;
  std::vector<FoundFile> describeFiles(TailContext& context) const;
  void rebuildOpenRecord(event::Channel channel, TailContext& context);

  const event::StreamDescription description_;
  const event::StreamKey key_;
  const std::string directory_;
  RecordAssembler assembler_;
  std::vector<Generation> generations_;  // in reading order
  size_t reading_ = 0;                   // the generation whose end was not reached yet
  std::optional<LongLine> longLine_;
  std::optional<Generation> lastEnded_;    // without its file
  std::vector<uint64_t> ignoredInodes_;    // files before the start, copies of known ones, finished
  std::vector<event::GenerationId> past_;  // the last finished generations
  uint32_t nextOrdinal_ = 0;
  uint64_t abandonedBytes_ = 0;  // open bytes whose file is gone, for the next block
  bool planned_ = false;
  std::optional<base::Nanos> goneAt_;
  std::optional<base::Nanos> wakeAt_;
  Sealed sealed_;
};

}  // namespace logtail::agent
