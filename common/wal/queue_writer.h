#pragma once
// Everything the queue does to files: append, sync, roll, condemn, recycle, recover.
//
// Flow: CommitLog (thread, callbacks) -> QueueWriter -> segments -> QueueReader.
// Deterministic and single-threaded: the commit thread's. Owns the segment being written; the file
// system, clock and list must outlive it. Entries appended are kept until commit() made them
// durable; after a failed sync the segment is condemned and they go to its successor (invariant 9).
// Crash promise: docs/wal-format.md, "What a crash may do".

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/wal/position.h"
#include "common/wal/segment_index.h"
#include "common/wal/segment_list.h"

namespace logtail::wal {

struct QueueOptions {
  std::string directory;                         // created when absent
  uint64_t segmentBytes = 64 * 1024 * 1024;      // at least 4 MiB + header in production
  uint64_t capacityBytes = uint64_t{100} << 30;  // of all segment files together
  unsigned freeSegments = 2;                     // kept for reuse
  uint64_t knownDurable = 0;  // from ledger snapshot and cursors: was durable before this start
  bool sync = true;           // false: only to measure what syncing costs
};

struct RecoveryReport {
  uint64_t queueId = 0;
  uint32_t epoch = 0;
  bool created = false;
  uint64_t segments = 0;
  uint64_t damagedRegions = 0;  // below the durable mark, where no successor tells a segment's end
  uint64_t damagedBytes = 0;
  uint64_t lostAfterAck = 0;  // entries below the durable mark that are gone
  uint64_t tornBytes = 0;     // cut off above the mark
  uint64_t segmentsSetAside = 0;
  uint64_t indexesRebuilt = 0;
  bool metaRebuilt = false;
};

struct QueueCounts {
  uint64_t entries = 0;
  uint64_t bytes = 0;
  uint64_t commits = 0;
  uint64_t syncs = 0;
  uint64_t syncFailures = 0;
  uint64_t condemnedSegments = 0;
  uint64_t failedRolls = 0;  // a next segment that could not be made
  uint64_t segmentsCreated = 0;
  uint64_t segmentsRecycled = 0;
};

class QueueWriter {
 public:
  // The encoded description of a stream for a segment's stream entries; empty when unknown.
  using Describe = std::function<std::string(const event::StreamKey&)>;

  // Recovers what is there. kTooNew: state of a newer format, untouched.
  static base::Result<std::unique_ptr<QueueWriter>> open(base::FileSystem& fs, base::Clock& clock,
                                                         SegmentList& list, QueueOptions options,
                                                         Describe describe, RecoveryReport& report);
  ~QueueWriter();
  QueueWriter(const QueueWriter&) = delete;
  QueueWriter& operator=(const QueueWriter&) = delete;

  // Takes an entry whose sequence is nextSequence() by contract of the caller; in memory only.
  void append(uint64_t sequence, Entry entry);
  // Makes everything appended durable and publishes it. kPushBack: no room, all is kept, call again
  // when there is some. kStop: nothing will become durable any more.
  base::Status commit();
  uint64_t nextSequence() const { return nextSequence_; }
  size_t pendingEntries() const { return pending_.size(); }

  // Lets go of whole segments that end at or before `sequence`, oldest first; never the newest.
  // Returns how many.
  base::Result<unsigned> removeThrough(uint64_t sequence);
  bool isFull() const;         // the next segment would go beyond capacityBytes
  uint64_t usedBytes() const;  // of segment files, free ones left out

  uint64_t queueId() const { return queueId_; }
  uint32_t epoch() const { return epoch_; }
  const QueueCounts& counts() const { return counts_; }

 private:
  struct Pending {
    uint64_t sequence = 0;
    Entry entry;
  };
  struct Active {  // the segment being written
    SegmentHeader header;
    std::string path;
    std::unique_ptr<base::File> file;
    uint64_t end = kSegmentHeaderBytes;  // written to here
    uint64_t durableEnd = kSegmentHeaderBytes;
    SegmentIndex index;
    std::unordered_set<event::StreamKey, event::StreamKeyHash> described;
  };
  struct Batch;

  QueueWriter(base::FileSystem& fs, base::Clock& clock, SegmentList& list, QueueOptions options,
              Describe describe);
  // queue_recovery.cc
  struct Directory {                                        // what a start finds
    std::vector<SegmentInfo> segments;                      // oldest first
    std::vector<std::pair<uint64_t, std::string>> damaged;  // number, path
    std::vector<std::string> leftovers;                     // files nobody needs any more
    std::unordered_set<uint64_t> withoutIndex;              // numbers of segments
    std::unordered_set<uint64_t> aside;                     // numbers of damaged ones, old and new
    bool metaMissing = false;
  };
  base::Status recover(RecoveryReport& report);
  base::Status loadMeta();
  base::Status look(Directory& found);
  base::Status lookAtSegment(uint64_t number, const std::string& path, Directory& found);
  void skipNumber(uint64_t number);
  base::Result<bool> checkIndex(const SegmentInfo& info);
  base::Status tidy(const Directory& found, RecoveryReport& report);
  base::Status measureAll(std::vector<SegmentInfo>& segments, uint64_t& mark,
                          RecoveryReport& report);
  base::Status measure(SegmentInfo& info, uint64_t& mark, RecoveryReport& report);
  uint64_t lostBefore(const Directory& found, const SegmentInfo& oldest) const;
  base::Status restoreIndex(const SegmentInfo& info);

  // queue_segments.cc
  base::Status roll();
  base::Result<std::unique_ptr<base::File>> takeFile(std::string& path);
  base::Status prepare(const Active& active, const std::string& freePath);
  void sealActive();
  void saveIndex(const SegmentIndex& index);
  base::Status retire(const SegmentInfo& info);
  std::string pathOf(const std::string& name) const { return options_.directory + "/" + name; }

  base::Status writeSome(size_t& next);
  void stage(Batch& batch, const Entry& entry, uint64_t sequence, int64_t receivedNanos);
  bool stageEntry(Batch& batch, const Pending& pending);
  void condemn(const base::Status& why);

  base::FileSystem& fs_;
  base::Clock& clock_;
  SegmentList& list_;
  const QueueOptions options_;
  const Describe describe_;
  uint64_t queueId_ = 0;
  uint32_t epoch_ = 0;
  uint64_t nextSegment_ = 1;
  uint64_t nextSequence_ = 1;
  uint64_t durableSequence_ = 0;
  uint64_t previousSegment_ = 0;  // what the next header says of its predecessor
  uint64_t previousDurable_ = 0;
  std::unique_ptr<Active> active_;
  std::deque<Pending> pending_;
  std::vector<std::string> freeFiles_;
  uint64_t nextFree_ = 1;
  bool removalUnsynced_ = false;  // a removal whose name is not yet durable
  bool stopped_ = false;
  QueueCounts counts_;
};

}  // namespace logtail::wal
