#pragma once
// Admission: what agents send becomes queue entries and ledger state, in one order.
//
// Flow: AgentSession -> Intake -> Ledger::admit -> CommitLog::append -> Ledger::apply -> (durable)
// -> NodeLink -> ACK. One lock spans judging, appending and applying, so that the ledger's order is
// the queue's; CRCs are checked and headers parsed before it is taken. Ledger, log, clock and
// quarantine must outlive it. Any thread; what waits for durability is called on the commit thread.
// Failure: a full queue is a NACK; a stopped one ends every session, and HELLO is refused.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "aggregator/frame_buffer.h"
#include "aggregator/intake_metrics.h"
#include "aggregator/ledger.h"
#include "aggregator/node_link.h"
#include "aggregator/quarantine.h"
#include "common/base/clock.h"
#include "common/event/unit.h"
#include "common/wal/commit_log.h"

namespace logtail::aggregator {

// What tests let go wrong on purpose between two hops; production has none.
class IntakeFaults {
 public:
  virtual ~IntakeFaults() = default;
  // May change the units behind their CRC check, before the ledger sees them.
  virtual void received(std::string& units) = 0;
  // May change what the queue stores behind the ledger's back.
  virtual void admitted(std::string& units, std::vector<wal::Verdict>& verdicts) = 0;
};

class Intake {
 public:
  struct Options {
    uint32_t windowBytes = 8 * 1024 * 1024;
    uint32_t retryAfterMs = 250;  // told with NACKs that time may cure
  };
  Intake(Ledger& ledger, wal::CommitLog& log, Quarantine& quarantine, base::Clock& clock,
         IntakeMetrics& metrics, uint64_t durableSequence, Options options,
         IntakeFaults* faults = nullptr);

  // --- sessions ---
  struct Attached {
    std::shared_ptr<NodeLink> link;
    uint64_t ticket = 0;
    uint64_t nextFrame = 1;  // the first frame that is not known
    wire::HelloOk answer;
  };
  // Fences the node's older session; calls `ready` (any thread, maybe at once) when that one's
  // entries are durable. Errors: kPushBack over the limits, kRetry fenced meanwhile, kStop stopped.
  void hello(const wire::Hello& hello, bool proven, std::weak_ptr<LinkOwner> owner,
             std::function<void(base::Result<Attached>)> ready);

  // kRetry: fenced. kFixInput: description and key do not belong together. kPushBack, kStop.
  base::Status openStream(const Attached& session, const wire::StreamOpen& open,
                          std::function<void(wire::StreamOk)> answer);
  base::Status endStream(const Attached& session, const event::StreamKey& key,
                         std::function<void()> durable);
  base::Status stats(const Attached& session, const wire::Stats& stats, std::string_view body);

  struct FrameAnswer {
    enum class Kind : uint8_t { kTaken, kNack, kFenced, kStopped };
    Kind kind = Kind::kTaken;
    wire::Nack nack;
  };
  // A frame whose unit CRCs are right. Poison is set aside and counts as taken.
  FrameAnswer frame(const Attached& session, uint64_t sequence,
                    const std::shared_ptr<FrameBuffer>& buffer,
                    std::span<const event::UnitView> units);
  // A frame that cannot even be parsed.
  void poison(const Attached& session, uint64_t sequence, std::string_view units,
              const char* reason);
  // Everything of the node that is in the queue became durable (or never will).
  void whenQuiet(const Attached& session, std::function<void()> quiet);

  // --- administration ---
  base::Status forgetNode(std::string_view node, std::function<void(base::Status)> durable);
  // The ledger as of the newest entry appended; the lock is held meanwhile.
  void withLedger(const std::function<void(Ledger&)>& use);
  bool stopped() const;
  std::string stopReason() const;

 private:
  using Ready = std::function<void(bool durable)>;

  base::Result<uint64_t> append(wal::Entry entry, NodeLink* link,
                                std::function<void()> durable);  // under mutex_
  void onDurable(const base::Status& status, uint64_t entry);
  void whenDurable(uint64_t entry, Ready ready);
  bool isCurrent(const Attached& session) const;
  void finishHello(const wire::Hello& hello, bool proven, const std::shared_ptr<NodeLink>& link,
                   uint64_t ticket, std::weak_ptr<LinkOwner> owner,
                   const std::function<void(base::Result<Attached>)>& ready);
  FrameAnswer refuse(const Admission& admission, uint64_t sequence) const;
  FrameAnswer store(NodeLink& link, const std::shared_ptr<NodeLink>& shared, uint64_t sequence,
                    wal::Entry entry);
  void count(const Admission& admission) const;

  Ledger& ledger_;
  wal::CommitLog& log_;
  Quarantine& quarantine_;
  base::Clock& clock_;
  IntakeMetrics& metrics_;
  const Options options_;
  IntakeFaults* const faults_;

  std::mutex mutex_;  // ledger, links' admission fields, order of appends
  std::map<std::string, std::shared_ptr<NodeLink>, std::less<>> links_;
  uint64_t nextTicket_ = 1;
  std::vector<event::BlockHeader> blocks_;
  Admission admission_;

  mutable std::mutex durableMutex_;
  uint64_t durable_;
  std::multimap<uint64_t, Ready> waiting_;
  bool stopped_ = false;
  std::string stopReason_;
};

}  // namespace logtail::aggregator
