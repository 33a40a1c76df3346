// Intake's sessions, streams and administration: everything but frames.

#include <utility>

#include "aggregator/intake.h"
#include "common/base/log.h"

namespace logtail::aggregator {
namespace {

wire::StreamStatus toWire(Ledger::OpenStatus status) {
  switch (status) {
    case Ledger::OpenStatus::kNew:
      return wire::StreamStatus::kNew;
    case Ledger::OpenStatus::kKnown:
      return wire::StreamStatus::kKnown;
    case Ledger::OpenStatus::kForbidden:
      return wire::StreamStatus::kForbidden;
    case Ledger::OpenStatus::kLostAfterAck:
      return wire::StreamStatus::kLostAfterAck;
    case Ledger::OpenStatus::kMoved:
      return wire::StreamStatus::kMoved;
  }
  return wire::StreamStatus::kForbidden;
}

base::Error fencedError() {
  return {base::Errc::kRetry, "a newer life of this node is connected"};
}

}  // namespace

void Intake::hello(const wire::Hello& hello, bool proven, std::weak_ptr<LinkOwner> owner,
                   std::function<void(base::Result<Attached>)> ready) {
  std::shared_ptr<NodeLink> link;
  std::shared_ptr<LinkOwner> older;
  uint64_t ticket = 0;
  uint64_t lastEntry = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto known = links_.find(hello.node);
    if (known == links_.end() && !ledger_.hasRoomForNode(hello.node)) {
      lastEntry = UINT64_MAX;
    } else {
      link = known != links_.end() ? known->second : std::make_shared<NodeLink>(hello.node);
      if (known == links_.end()) links_.emplace(hello.node, link);
      ticket = link->ticket = nextTicket_++;
      older = link->owner();
      lastEntry = link->lastEntry;
    }
  }
  if (link == nullptr) {
    ready(base::Error{base::Errc::kPushBack, "the ledger has as many nodes as it keeps"});
    return;
  }
  if (older != nullptr) older->fenced();
  // Nothing more of the older session is admitted: what is in the queue becomes durable or is lost
  // with the process, and only then is it known where the node stands.
  whenDurable(lastEntry, [this, hello, proven, link, ticket, owner = std::move(owner),
                          ready = std::move(ready)](bool durable) {
    if (!durable) {
      ready(base::Error{base::Errc::kStop, "acknowledging has stopped: " + stopReason()});
      return;
    }
    finishHello(hello, proven, link, ticket, owner, ready);
  });
}

void Intake::finishHello(const wire::Hello& hello, bool proven,
                         const std::shared_ptr<NodeLink>& link, uint64_t ticket,
                         std::weak_ptr<LinkOwner> owner,
                         const std::function<void(base::Result<Attached>)>& ready) {
  Attached attached;
  {
    const std::lock_guard lock(mutex_);
    if (link->ticket == ticket) {
      const NodeState* node = ledger_.findNode(hello.node);
      const bool sameLife = node != nullptr && node->life == hello.life;
      if (link->life != hello.life) link->lastAdmitted = sameLife ? node->lastFrame : 0;
      link->life = hello.life;
      link->unproven = !proven;
      link->attach(std::move(owner), hello.life, link->lastAdmitted);
      attached.link = link;
      attached.ticket = ticket;
      attached.answer.queueId = log_.queueId();
      attached.answer.epoch = log_.epoch();
      attached.answer.knownNode = node != nullptr && node->streams > 0;
      attached.answer.ackedSequence = link->lastAdmitted;
      attached.answer.windowBytes = options_.windowBytes;
      // Frames that the agent knows to be acknowledged and the ledger does not know are gone; the
      // blocks behind them will tell.
      attached.nextFrame = std::max(link->lastAdmitted + 1, hello.nextSequence);
    }
  }
  if (attached.link == nullptr) {
    ready(fencedError());
    return;
  }
  metrics_.sessions.add();
  ready(std::move(attached));
}

base::Status Intake::openStream(const Attached& session, const wire::StreamOpen& open,
                                std::function<void(wire::StreamOk)> answer) {
  const base::Result<event::StreamDescription> description =
      event::decodeStreamDescription(open.description);
  if (!description.ok()) return description.error();
  if (description->key() != open.key) {
    return {base::Errc::kFixInput, "STREAM: key and description do not belong together"};
  }
  wire::StreamOk reply{open.key, wire::StreamStatus::kForbidden, {}};
  uint64_t before = 0;
  const std::string& node = session.link->node();
  if (description->node == node) {
    const std::lock_guard lock(mutex_);
    if (!isCurrent(session)) return fencedError();
    Ledger::OpenRequest request{node, open.key, open.description, nullptr, 0};
    if (open.checkpoint.has_value()) {
      request.checkpoint = &open.checkpoint->resume;
      request.checkpointQueueId = open.checkpoint->queueId;
    }
    const base::Result<Ledger::Open> judged = ledger_.judgeOpen(request, log_.queueId());
    if (!judged.ok()) return judged.error();
    reply.status = toWire(judged->status);
    reply.resume = judged->resume;
    // What the answer speaks of must be durable; a stream's own entry comes before its blocks.
    before = session.link->lastEntry;
    if (judged->store) {
      wal::StreamEntry stored{open.key, open.description, ""};
      if (judged->declares) event::encode(judged->resume, stored.open);
      wal::Entry entry;
      entry.kind = wal::EntryKind::kStream;
      entry.head = wal::encodeStreamEntry(stored);
      const base::Result<uint64_t> sequence = append(std::move(entry), session.link.get(), {});
      if (!sequence.ok()) return sequence.error();
      ledger_.applyOpen(*sequence, node, open.key, open.description,
                        judged->declares ? &judged->resume : nullptr);
    }
  }
  whenDurable(before, [answer = std::move(answer), reply](bool durable) {
    if (durable) answer(reply);
  });
  return {};
}

base::Status Intake::endStream(const Attached& session, const event::StreamKey& key,
                               std::function<void()> durable) {
  uint64_t entryToWaitFor = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!isCurrent(session)) return fencedError();
    const StreamState* stream = ledger_.find(key);
    entryToWaitFor = session.link->lastEntry;
    if (stream != nullptr && stream->node == session.link->node() && stream->endedNanos == 0) {
      wal::Entry entry;
      entry.kind = wal::EntryKind::kStreamEnd;
      const int64_t now = clock_.wallNanos();
      entry.head = wal::encodeStreamEnd({key, now});
      const base::Result<uint64_t> sequence = append(std::move(entry), session.link.get(), {});
      if (!sequence.ok()) return sequence.error();
      ledger_.applyStreamEnd(*sequence, key, now);
      entryToWaitFor = *sequence;
    }
  }
  whenDurable(entryToWaitFor, [durable = std::move(durable)](bool isDurable) {
    if (isDurable) durable();
  });
  return {};
}

base::Status Intake::stats(const Attached& session, const wire::Stats& stats,
                           std::string_view body) {
  const std::lock_guard lock(mutex_);
  if (!isCurrent(session)) return fencedError();
  NodeLink& link = *session.link;
  wal::Entry entry;
  entry.kind = wal::EntryKind::kStats;
  entry.head =
      wal::encodeStats({link.node(), link.life, stats.final, stats.timeNanos, std::string(body)});
  const base::Result<uint64_t> sequence = append(std::move(entry), &link, {});
  if (!sequence.ok()) return sequence.error();
  ledger_.applyStats(*sequence, link.node(), link.life, stats);
  return {};
}

base::Status Intake::forgetNode(std::string_view node, std::function<void(base::Status)> durable) {
  uint64_t waitFor = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto link = links_.find(node);
    if (link != links_.end() && link->second->owner() != nullptr) {
      return {base::Errc::kFixInput, "node '" + std::string(node) + "' is connected"};
    }
    const base::Result<wal::ForgetEntry> forget = ledger_.judgeForget(node);
    if (!forget.ok()) return forget.error();
    wal::Entry entry;
    entry.kind = wal::EntryKind::kForget;
    entry.head = wal::encodeForget(*forget);
    const base::Result<uint64_t> sequence = append(std::move(entry), nullptr, {});
    if (!sequence.ok()) return sequence.error();
    ledger_.applyForget(*sequence, *forget);
    waitFor = *sequence;
  }
  whenDurable(waitFor, [durable = std::move(durable)](bool isDurable) {
    durable(isDurable ? base::Status()
                      : base::Status(base::Errc::kStop, "acknowledging has stopped"));
  });
  return {};
}

}  // namespace logtail::aggregator
