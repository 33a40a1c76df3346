#pragma once
// The ledger: how far every stream of every node has come, and what became of each byte.
//
// Flow: receiver -> admit() (seen? gap? doubt?) -> queue append -> apply(). Recovery calls apply()
// with the verdicts that the queue's envelopes hold, so live and replayed state are one code path;
// LedgerStore keeps snapshots. Keyed by stream; a stream belongs to the node that opened it first.
// Owned by the aggregator; `budget` must outlive it. Thread: none of its own; callers hold one lock
// from admit() to apply(), because an admission is a promise about the order in the queue.
// Failure: input never stops it; bad blocks are answers (Admission), damage is counted.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregator/ledger_types.h"
#include "common/base/memory_budget.h"
#include "common/base/result.h"
#include "common/wal/entry.h"
#include "common/wire/messages.h"

namespace logtail::aggregator {

using wal::Verdict;

struct FrameOrigin {
  std::string_view node;
  uint64_t life = 0;
  uint64_t sequence = 0;  // of the frame within the life
  bool unproven = false;
};

// The answer to a frame: all of its blocks or none.
struct Admission {
  enum class Kind : uint8_t { kAdmit, kOverlap, kUnknownStream, kPoison };
  Kind kind = Kind::kAdmit;
  size_t block = 0;          // the one that decided, unless kAdmit
  const char* reason = "";   // kPoison: which rule
  event::StreamKey stream;   // kOverlap, kUnknownStream
  bool anyAccepted = false;  // else there is nothing to store
  std::vector<Verdict> verdicts;
};

class Ledger {
 public:
  struct Limits {
    uint64_t nodes = 20'000;  // for the receiver: HELLO of one more is refused
    uint64_t streams = 1'000'000;
    uint64_t streamsPerNode = 100'000;
  };
  Ledger(Limits limits, base::MemoryBudget& budget);
  ~Ledger();
  void clear();

  // --- frames ---
  // Judges all blocks of a frame, in order, each after what those before it would change. Changes
  // nothing. `out` is reused.
  void admit(const FrameOrigin& origin, std::span<const event::BlockHeader> blocks, Admission& out);
  // Takes over an entry of the queue; entries at or below sequence() are skipped, so replay may
  // begin anywhere. A verdict of acceptance that the state contradicts is damage below: counted.
  void apply(uint64_t entry, const FrameOrigin& origin, std::span<const event::BlockHeader> blocks,
             std::span<const Verdict> verdicts);
  // Counts the blocks of a frame that is not stored because it holds nothing new.
  void countRepeats(std::span<const event::BlockHeader> blocks, std::span<const Verdict> verdicts,
                    bool resent);

  // --- streams ---
  enum class OpenStatus : uint8_t { kNew, kKnown, kForbidden, kLostAfterAck, kMoved };
  struct Open {
    OpenStatus status = OpenStatus::kNew;
    event::Resume resume;
    bool store = false;     // a stream entry must go into the queue before its blocks
    bool declares = false;  // with `resume` as its declared start
  };
  struct OpenRequest {
    std::string_view node;
    event::StreamKey key;
    std::string_view description;  // encoded
    const event::Resume* checkpoint = nullptr;
    uint64_t checkpointQueueId = 0;
  };
  // Changes nothing but that ended streams of the node go early when there is no room (counted).
  // kPushBack when streams or memory are at their bounds.
  base::Result<Open> judgeOpen(const OpenRequest& request, uint64_t queueId);
  void applyOpen(uint64_t entry, std::string_view node, const event::StreamKey& key,
                 std::string_view description, const event::Resume* declared);
  // A description that the queue repeats before the entry at `entry`, for a stream whose state a
  // damaged snapshot lost; known ones are left as they are.
  void learn(uint64_t entry, std::string_view node, const event::StreamKey& key,
             std::string_view description);
  void applyStreamEnd(uint64_t entry, const event::StreamKey& key, int64_t timeNanos);
  // Lets ended streams go whose end is older than `beforeNanos`; their totals stay in retired().
  uint64_t forgetEnded(int64_t beforeNanos);

  // --- agents ---
  void applyStats(uint64_t entry, std::string_view node, uint64_t life, const wire::Stats& stats);
  // What forget-node books: last known size beyond what was accepted. kNotFound for no such node.
  base::Result<wal::ForgetEntry> judgeForget(std::string_view node) const;
  void applyForget(uint64_t entry, const wal::ForgetEntry& forget);
  void applyOther(uint64_t entry);  // an entry without meaning for the ledger

  // --- reading ---
  uint64_t sequence() const { return sequence_; }  // newest entry applied
  const StreamState* find(const event::StreamKey& key) const;
  const NodeState* findNode(std::string_view node) const;
  void forEach(const std::function<void(const StreamState&)>& visit) const;
  void forEachNode(const std::function<void(const NodeState&)>& visit) const;
  bool hasRoomForNode(std::string_view node) const {
    return nodes_.size() < limits_.nodes || findNode(node) != nullptr;
  }
  uint64_t streamCount() const { return streams_.size(); }
  const StreamTotals& retired() const { return retired_; }  // of streams let go
  uint64_t damagedRecords() const { return damagedRecords_; }
  // What was let go of before its time, in this life of the process, its replay included.
  struct LetGo {
    uint64_t streams = 0;      // ended, but younger than `retain`
    uint64_t generations = 0;  // their end was never told
  };
  const LetGo& letGo() const { return letGo_; }
  // Memory that streams hold beyond the budget because replay may not refuse them.
  uint64_t unbudgetedBytes() const { return unbudgetedBytes_; }

 private:
  friend class LedgerSnapshot;
  struct Slot {
    StreamState state;
    base::MemoryBudget::Reservation memory;
  };
  struct Draft {  // a stream's position within the frame that is being judged
    StreamState* stream = nullptr;
    event::Resume resume;
  };
  struct Ruling {
    Admission::Kind kind = Admission::Kind::kAdmit;
    Verdict verdict = Verdict::kAccept;
    const char* reason = "";
  };

  static Ruling judge(const event::Resume& at, const event::BlockHeader& block);
  static void advance(event::Resume& at, const event::BlockHeader& block);
  Draft& draftOf(StreamState& stream);
  bool begin(uint64_t entry);
  StreamState* findMutable(const event::StreamKey& key);
  StreamState& obtain(std::string_view node, const event::StreamKey& key);
  NodeState& obtainNode(std::string_view node);
  void applyBlock(const FrameOrigin& origin, const event::BlockHeader& block, Verdict verdict,
                  bool resent);
  void take(StreamState& stream, const event::BlockHeader& block, Verdict verdict);
  static void countGap(StreamState& stream, const event::BlockHeader& block, Verdict verdict);
  static void countAgain(StreamState& stream, const event::BlockHeader& block);
  base::Status makeRoom(std::string_view node, uint64_t bytes);
  bool forgetEarly(std::string_view node);
  void erase(const event::StreamKey& key);

  const Limits limits_;
  base::MemoryBudget& budget_;
  std::unordered_map<event::StreamKey, std::unique_ptr<Slot>, event::StreamKeyHash> streams_;
  std::map<std::string, NodeState, std::less<>> nodes_;
  StreamTotals retired_;
  LetGo letGo_;
  uint64_t sequence_ = 0;
  uint64_t damagedRecords_ = 0;
  uint64_t unbudgetedBytes_ = 0;
  std::vector<Draft> drafts_;
  size_t draftsUsed_ = 0;
};

}  // namespace logtail::aggregator
