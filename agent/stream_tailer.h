#pragma once
// Follows one stream through its generations, from the directory to blocks in the worker's unit.
//
// Flow: TailWorker (whose turn it is) -> StreamTailer -> RecordAssembler -> UnitWriter.
// Life: discovered (files held open, nothing read) -> planned (the ledger said where to resume) ->
// gone (its container went: every file is at its final end) -> done (all of it acknowledged).
// Owned by its TailWorker, which outlives it with everything in TailContext. Thread: the worker's.
// A file that cannot be read is tried again until its final end; then its unread bytes are counted
// lost. stream_tailer.cc reads, stream_tailer_end.cc ends generations, stream_tailer_plan.cc
// starts, stream_tailer_files.cc deals with the directory, stream_tailer_disk.cc with the spool.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/log_directory.h"
#include "agent/log_file.h"
#include "agent/record_assembler.h"
#include "agent/rotation_rate.h"
#include "agent/spool_file.h"
#include "agent/stream_plan.h"
#include "agent/tail_context.h"
#include "agent/tailed_generation.h"

namespace logtail::agent {

// A copy in the spool, opened.
struct SpooledCopy {
  SpoolHeader header;
  std::unique_ptr<LogFile> file;
};

enum class Turn : uint8_t {
  kIdle,     // nothing to read now
  kMore,     // more is there: queue the stream again
  kBlocked,  // the way is blocked: come back when there is room
};

class StreamTailer {
 public:
  StreamTailer(const event::StreamDescription& description, std::string directory, size_t maxLine,
               base::MemoryBudget& budget, parsers::CriTimeCache& cache, AssemblerCounts& counts);

  // Looks at the directory again: opens what is new, follows renames, leaves out what is done.
  void refresh(TailContext& context);
  // The ledger's answer; before it nothing is read. May be called again after a reset().
  // What was acknowledged before up to `doubtful` is sent again flagged in doubt; null: nothing
  // was. `copies` are the stream's in the spool.
  void plan(const event::Resume& resume, const event::Resume* doubtful, StartAt start,
            std::vector<SpooledCopy> copies, TailContext& context);
  // Reads at most one slab. Call until it does not say kMore.
  Turn turn(TailContext& context);
  // The container is gone (symlink or directory): what is there now is all there will be.
  void markGone(base::Nanos now);
  // A block of this stream is durable at the aggregator.
  void acknowledged(const event::BlockHeader& block);
  // Closes files of which all is read and acknowledged, until they are needed again.
  bool rest();
  bool waitsForFiles() const { return unopened_ > 0; }  // that could not be opened
  // A new life of the data path: forgets all positions, keeps files open; plan() comes again.
  void reset();

  const event::StreamKey& key() const { return key_; }
  event::StreamDescription description() const;
  const std::string& directory() const { return directory_; }
  bool planned() const { return planned_; }
  bool done() const;  // gone, at its end and acknowledged: may be removed
  // When turn() wants to be called again without any event (end of a grace); none: never.
  std::optional<base::Nanos> wakeAt() const { return wakeAt_; }

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

  // --- the disk (DiskKeeper): files whose bytes only this process may have soon, or has alone ---
  struct Held {
    StreamTailer* tailer = nullptr;
    size_t index = 0;        // for the calls below, until the next turn or refresh
    bool unlinked = false;   // only the descriptor keeps its disk
    bool elsewhere = false;  // its `.gz` has the same bytes
    bool atRisk = false;     // not acknowledged, and rotation deletes it soon or has
    bool urgent = false;     // deleted, or due before any patience is over
    base::Nanos finalAt{};   // since when its end is final; max: it is not yet
  };
  void collectHeld(base::Nanos patience, const TailContext& context, std::vector<Held>& into);
  // Until rotation deletes the first file that is not acknowledged, by its rate so far; zero once
  // it has. Nothing when there is none, or no rate yet.
  std::optional<base::Nanos> untilRotationLoss(int64_t wallNanos) const;
  LogFile& fileOf(size_t index) { return *generations_[index].file; }
  SpoolHeader headerOf(size_t index) const;  // for a copy; fingerprint 0: it has none
  void markCopied(size_t index) { generations_[index].copied = true; }  // not at risk any more
  uint64_t unsealedBytesOf(size_t index) const;
  bool needs(const event::GenerationId& id) const;  // after a restart, something of it
  int64_t rotatedNanosOf(size_t index) const { return generations_[index].rotatedNanos; }
  // Reads on in the copy, or in the `.gz`; false, and nothing is changed, when that has not all.
  bool useCopy(size_t index, SpooledCopy copy);
  bool useCompressed(size_t index, TailContext& context);
  // The bytes that are not sealed are lost, and will be declared.
  void giveUp(size_t index, TailContext& context);
  void giveUpCopy(const SpoolHeader& copy, TailContext& context);
  uint64_t lostWithCopy(const SpoolHeader& copy) const;  // by giveUpCopy()

 private:
  using Generation = TailedGeneration;
  enum class Step : uint8_t { kProgress, kEndOfFile, kBlocked };

  Step read(size_t index, TailContext& context);
  base::Result<size_t> readWithLead(Generation& generation, TailContext& context);
  Step consume(Generation& generation, size_t lead, std::string_view bytes, TailContext& context);
  Step scanLongLine(size_t index, TailContext& context);
  Step emitLongLine(Generation& generation, uint64_t raw, bool unfinished, TailContext& context);
  Step unreadable(const base::Error& error, Generation& generation, TailContext& context);
  Step emitLine(Generation& generation, const PhysicalLine& line, uint64_t to, uint64_t tailHash,
                TailContext& context);
  Step finish(size_t index, TailContext& context);
  Step emitRest(size_t index, TailContext& context);
  Step loseGap(Generation& generation, TailContext& context);
  Step finishStream(Generation& generation, TailContext& context);
  Step loseRest(Generation& generation, event::LossReason reason, TailContext& context);
  Step afterEndOfFile(size_t index, TailContext& context);
  Turn flushAtStreamEnd(TailContext& context);
  void markEnded(Generation& generation);
  bool mayAwait(size_t index);
  Step wakeFile(size_t index, TailContext& context);
  void letGoUnread(size_t from);
  std::string pathOf(const Generation& generation) const {
    return directory_ + "/" + generation.name;
  }
  base::Result<std::unique_ptr<LogFile>> openFile(const std::string& path, TailContext& context);
  void noteRead(Generation& generation, uint64_t end, TailContext& context);
  bool identify(Generation& generation, bool final, TailContext& context);
  void startAtEnd(Generation& generation, TailContext& context);
  void restartRewritten(size_t index, TailContext& context);
  bool beginBlock(const Generation& generation, TailContext& context);
  void endBlock(Generation& generation, uint64_t to, uint64_t tailHash, uint32_t flags,
                TailContext& context);
  base::Nanos finalAt(size_t index, base::Nanos grace) const;
  std::optional<base::Nanos> untilDeleted(const Generation& generation, int64_t wallNanos) const;
  void wakeBy(base::Nanos when);
  void forgetFinished();

  // stream_tailer_files.cc
  bool openListed(bool lastTry, TailContext& context);
  bool open(const ListedLogFile& listed, size_t position, TailContext& context);
  void insert(Generation generation, size_t position, const ListedLogFile& listed);
  size_t findListed(const ListedLogFile& listed) const;  // generations_.size() when unknown
  bool attachAwaited(const ListedLogFile& listed, std::unique_ptr<LogFile>& file, size_t position);
  bool isNamedAsPast(const ListedLogFile& listed) const;
  bool isCopyOfPast(const ListedLogFile& listed, LogFile& file) const;
  bool isCopyOfHeld(const ListedLogFile& listed, LogFile& file, TailContext& context);
  void noteListed(const ListedLogFile& file);
  void noteRotation(const std::vector<ListedLogFile>& listed);
  void noteSuccessors(TailContext& context);

  // stream_tailer_plan.cc
  void takeIn(std::vector<SpooledCopy> copies);
  std::vector<FoundFile> describeFiles(TailContext& context) const;
  void ignoreUnplanned(std::vector<Generation>& found,
                       const std::vector<PlannedGeneration>& planned);
  void place(const PlannedGeneration& planned, std::vector<Generation>& found,
             const event::Resume* doubtful, TailContext& context);
  void rebuildOpenRecord(event::Channel channel, TailContext& context);

  const event::StreamKey key_;
  const uint32_t restart_;
  std::string description_;  // encoded: it is seldom asked for, and 10,000 times there
  const std::string directory_;
  RecordAssembler assembler_;
  std::vector<Generation> generations_;    // in reading order
  size_t reading_ = 0;                     // the generation whose end was not reached yet
  std::unique_ptr<Generation> lastEnded_;  // without its file
  std::vector<IgnoredFile> ignored_;       // files before the start, copies of known ones, finished
  std::vector<PastGeneration> past_;       // the last finished generations
  event::ChannelStates ackedChannels_;
  bool unopenedBehind_ = false;  // one of them is newer than every generation
  size_t unopened_ = 0;          // listed files that could not be opened
  RotationRate rotation_;
  uint32_t rotatedKept_;  // files that rotation keeps beside the current one, as far as known
  uint32_t nextOrdinal_ = 0;
  uint64_t abandonedBytes_ = 0;  // open bytes whose file is gone, for the next block
  bool planned_ = false;
  std::optional<base::Nanos> goneAt_;
  std::optional<base::Nanos> wakeAt_;
  Sealed sealed_;
};

}  // namespace logtail::agent
