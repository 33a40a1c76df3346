#include "aggregator/intake.h"

#include <algorithm>
#include <utility>

#include "aggregator/ledger_replay.h"
#include "common/base/log.h"
#include "common/wire/frame.h"

namespace logtail::aggregator {
namespace {

// The streams that an entry's accepted blocks belong to; neighbours of one stream are one span.
std::vector<wal::StreamSpan> spansOf(std::span<const event::BlockHeader> blocks,
                                     std::span<const wal::Verdict> verdicts) {
  std::vector<wal::StreamSpan> spans;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (!wal::isAccepted(verdicts[i])) continue;
    const event::BlockHeader& b = blocks[i];
    if (spans.empty() || spans.back().key != b.stream) spans.push_back({b.stream, 0, -1});
    if (b.records == 0) continue;
    wal::StreamSpan& span = spans.back();
    const bool first = span.minTimeNanos > span.maxTimeNanos;
    span.minTimeNanos = first ? b.minTimeNanos : std::min(span.minTimeNanos, b.minTimeNanos);
    span.maxTimeNanos = first ? b.maxTimeNanos : std::max(span.maxTimeNanos, b.maxTimeNanos);
  }
  return spans;
}

// Time of the oldest record of a frame; nothing without records.
std::optional<int64_t> oldestRecord(const std::vector<event::BlockHeader>& blocks) {
  std::optional<int64_t> oldest;
  for (const event::BlockHeader& block : blocks) {
    if (block.records == 0) continue;
    oldest = std::min(oldest.value_or(block.minTimeNanos), block.minTimeNanos);
  }
  return oldest;
}

}  // namespace

Intake::Intake(Ledger& ledger, wal::CommitLog& log, Quarantine& quarantine, base::Clock& clock,
               IntakeMetrics& metrics, uint64_t durableSequence, Options options,
               IntakeFaults* faults)
    : ledger_(ledger),
      log_(log),
      quarantine_(quarantine),
      clock_(clock),
      metrics_(metrics),
      options_(options),
      faults_(faults),
      durable_(durableSequence) {}

// --- durability
// -----------------------------------------------------------------------------------

base::Result<uint64_t> Intake::append(wal::Entry entry, NodeLink* link,
                                      std::function<void()> durable) {
  base::Result<uint64_t> sequence =
      log_.append(std::move(entry),
                  [this, done = std::move(durable)](const base::Status& status, uint64_t appended) {
                    if (status.ok() && done) done();
                    onDurable(status, appended);
                  });
  if (sequence.ok() && link != nullptr) link->lastEntry = *sequence;
  return sequence;
}

void Intake::onDurable(const base::Status& status, uint64_t entry) {
  std::vector<Ready> due;
  bool stoppedNow = false;
  {
    const std::lock_guard lock(durableMutex_);
    if (status.ok()) durable_ = std::max(durable_, entry);
    stoppedNow = !status.ok() && !stopped_;
    if (stoppedNow) {
      stopped_ = true;
      stopReason_ = status.message();
    }
    const auto end = stopped_ ? waiting_.end() : waiting_.upper_bound(durable_);
    for (auto at = waiting_.begin(); at != end; ++at) due.push_back(std::move(at->second));
    waiting_.erase(waiting_.begin(), end);
  }
  for (const Ready& ready : due) ready(status.ok());
  if (!stoppedNow) return;
  std::vector<std::shared_ptr<NodeLink>> links;
  {
    // The admission lock is free of waits for the disk: append() never blocks.
    const std::lock_guard lock(mutex_);
    for (const auto& [node, link] : links_) links.push_back(link);
  }
  for (const auto& link : links) link->stop();
}

void Intake::whenDurable(uint64_t entry, Ready ready) {
  bool durable = false;
  {
    const std::lock_guard lock(durableMutex_);
    durable = durable_ >= entry;
    if (!durable && !stopped_) {
      waiting_.emplace(entry, std::move(ready));
      return;
    }
  }
  ready(durable);
}

bool Intake::stopped() const {
  const std::lock_guard lock(durableMutex_);
  return stopped_;
}

std::string Intake::stopReason() const {
  const std::lock_guard lock(durableMutex_);
  return stopReason_;
}

void Intake::whenQuiet(const Attached& session, std::function<void()> quiet) {
  uint64_t entry = 0;
  {
    const std::lock_guard lock(mutex_);
    entry = session.link->lastEntry;
  }
  whenDurable(entry, [quiet = std::move(quiet)](bool) { quiet(); });
}

// --- frames
// ---------------------------------------------------------------------------------------

Intake::FrameAnswer Intake::refuse(const Admission& admission, uint64_t sequence) const {
  FrameAnswer answer;
  answer.kind = FrameAnswer::Kind::kNack;
  answer.nack.sequence = sequence;
  if (admission.kind == Admission::Kind::kOverlap) {
    answer.nack.reason = wire::NackReason::kOverlap;
    answer.nack.where = wire::Nack::Where{admission.stream, ledger_.find(admission.stream)->resume};
  } else {
    answer.nack.reason = wire::NackReason::kUnknownStream;
    answer.nack.retryAfterMs = options_.retryAfterMs;
  }
  return answer;
}

void Intake::count(const Admission& admission) const {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    const event::BlockHeader& b = blocks_[i];
    switch (admission.verdicts[i]) {
      case wal::Verdict::kRepeat:
        metrics_.repeats.add();
        continue;
      case wal::Verdict::kForbidden:
        metrics_.forbidden.add();
        continue;
      case wal::Verdict::kUndeclaredGap:
        metrics_.gaps.add();
        break;
      default:
        break;
    }
    metrics_.blocks.add();
    metrics_.records.add(b.records);
    metrics_.recordBytes.add(b.recordBytes);
  }
}

Intake::FrameAnswer Intake::store(NodeLink& link, const std::shared_ptr<NodeLink>& shared,
                                  uint64_t sequence, wal::Entry entry) {
  const uint64_t life = link.life;
  wal::Envelope envelope;
  envelope.node = link.node();
  envelope.life = life;
  envelope.frameSequence = sequence;
  envelope.receivedNanos = clock_.wallNanos();
  envelope.flags = link.unproven ? wal::kEnvelopeUnproven : 0;
  envelope.verdicts = admission_.verdicts;
  entry.kind = wal::EntryKind::kFrame;
  entry.streams = spansOf(blocks_, admission_.verdicts);
  std::string changed;
  if (faults_ != nullptr) {
    changed.assign(entry.body);
    faults_->admitted(changed, envelope.verdicts);
    auto copy = std::make_shared<std::string>(std::move(changed));
    entry.body = *copy;
    entry.bodyOwner = std::move(copy);
    entry.bodyCrc.reset();
  }
  entry.head = wal::encodeFrameHead(envelope);
  const size_t bodyBytes = entry.body.size();
  const std::optional<int64_t> oldest = oldestRecord(blocks_);
  const base::Result<uint64_t> appended =
      append(std::move(entry), &link, [this, shared, life, sequence, oldest] {
        shared->frameDurable(life, sequence);
        if (!oldest) return;
        metrics_.durableLatency.observe(static_cast<double>(clock_.wallNanos() - *oldest) / 1e9);
      });
  FrameAnswer answer;
  if (!appended.ok()) {
    answer.kind = appended.code() == base::Errc::kPushBack ? FrameAnswer::Kind::kNack
                                                           : FrameAnswer::Kind::kStopped;
    answer.nack = {sequence, wire::NackReason::kQueueFull, options_.retryAfterMs, {}};
    return answer;
  }
  ledger_.apply(*appended, {link.node(), life, sequence, link.unproven}, blocks_,
                admission_.verdicts);
  metrics_.frames.add();
  metrics_.frameBytes.add(bodyBytes);
  return answer;
}

Intake::FrameAnswer Intake::frame(const Attached& session, uint64_t sequence,
                                  const std::shared_ptr<FrameBuffer>& buffer,
                                  std::span<const event::UnitView> units) {
  wal::Entry entry;
  entry.body = buffer->view();
  entry.bodyOwner = buffer;
  entry.bodyCrc = wire::goodFrameCrc(entry.body);
  std::unique_lock lock(mutex_);
  if (!isCurrent(session)) return {FrameAnswer::Kind::kFenced, {}};
  NodeLink& link = *session.link;
  blocks_.clear();
  for (const event::UnitView& unit : units) {
    blocks_.insert(blocks_.end(), unit.blocks().begin(), unit.blocks().end());
  }
  if (faults_ != nullptr) {
    auto copy = std::make_shared<std::string>(entry.body);
    faults_->received(*copy);
    entry.body = *copy;
    entry.bodyOwner = std::move(copy);
    if (!readBlocks(entry.body, blocks_).ok()) blocks_.clear();
  }
  ledger_.admit({link.node(), link.life, sequence, link.unproven}, blocks_, admission_);
  if (admission_.kind == Admission::Kind::kPoison) {
    const char* reason = admission_.reason;
    lock.unlock();
    poison(session, sequence, entry.body, reason);
    return {};
  }
  if (admission_.kind != Admission::Kind::kAdmit) return refuse(admission_, sequence);
  if (admission_.anyAccepted) {
    FrameAnswer answer = store(link, session.link, sequence, std::move(entry));
    if (answer.kind != FrameAnswer::Kind::kTaken) return answer;
  } else {
    ledger_.countRepeats(blocks_, admission_.verdicts, false);
  }
  link.lastAdmitted = sequence;
  for (size_t i = 0; i < admission_.verdicts.size(); ++i) {
    if (admission_.verdicts[i] == wal::Verdict::kForbidden) link.refuse(sequence, i);
  }
  count(admission_);
  if (admission_.anyAccepted) return {};
  const uint64_t before = link.lastEntry;
  const uint64_t life = link.life;
  lock.unlock();
  whenDurable(before, [shared = session.link, life, sequence](bool durable) {
    if (durable) shared->frameDurable(life, sequence);
  });
  return {};
}

void Intake::poison(const Attached& session, uint64_t sequence, std::string_view units,
                    const char* reason) {
  uint64_t before = 0;
  uint64_t life = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!isCurrent(session)) return;
    before = session.link->lastEntry;
    life = session.link->life;
    session.link->lastAdmitted = sequence;
  }
  metrics_.poison.add();
  quarantine_.store(session.link->node(), life, sequence, units, reason);
  whenDurable(before, [shared = session.link, life, sequence](bool durable) {
    if (durable) shared->frameDurable(life, sequence);
  });
}

bool Intake::isCurrent(const Attached& session) const {
  return session.link->ticket == session.ticket;
}

void Intake::withLedger(const std::function<void(Ledger&)>& use) {
  const std::lock_guard lock(mutex_);
  use(ledger_);
}

}  // namespace logtail::aggregator
