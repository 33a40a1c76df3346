// ShipperSession's half that listens: STREAM_OK, ACK, NACK, ERROR.

#include <algorithm>

#include "agent/shipper_session.h"
#include "common/base/log.h"
#include "common/base/random.h"

namespace logtail::agent {
namespace {

constexpr unsigned kDamagedLimit = 8;  // NACKs of one frame before it is cut anew
constexpr std::chrono::milliseconds kMinRetry{10};
constexpr std::chrono::milliseconds kMaxRetry{60'000};

Outcome malformed(std::string text) {
  return {Outcome::Kind::kMalformed, std::move(text)};
}

// Consumed bytes altogether: falls when a ledger lost something.
uint64_t totalBytes(const event::Resume& resume) {
  uint64_t total = 0;
  for (const event::GenerationResume& generation : resume.generations) total += generation.to;
  return total;
}

}  // namespace

Outcome ShipperSession::onStreamOk(std::string_view payload) {
  const auto ok = wire::decodeStreamOk(payload);
  if (!ok.ok()) return malformed(ok.message());
  if (ok->status == wire::StreamStatus::kEnded) return onEnded(ok->key);
  const auto found = streams_.find(ok->key);
  if (found == streams_.end()) return {};  // ended while the answer was under way
  Stream& stream = found->second;
  stream.open = true;
  if (std::exchange(stream.awaited, false)) --awaitedStreams_;
  if (ok->status == wire::StreamStatus::kForbidden) {
    stream.wanted = false;
    forbid(ok->key);
    return {};
  }
  if (stream.wanted) {
    opened(ok->key, stream, *ok);
  } else if (ok->status == wire::StreamStatus::kLostAfterAck && !stream.ending &&
             (stream.ackedInLife || totalBytes(ok->resume) != stream.openedBytes)) {
    return reset(ResetReason::kLostAfterAck,
                 "the queue lost acknowledged blocks of stream " + event::toString(ok->key));
  }
  sayEnds();
  continueDrain();
  return {};
}

void ShipperSession::opened(const event::StreamKey& key, Stream& stream, const wire::StreamOk& ok) {
  stream.wanted = false;
  stream.ackedInLife = false;
  stream.openedBytes = totalBytes(ok.resume);
  const CheckpointStore::Entry* entry = checkpoints_.find(key);
  const bool known = entry != nullptr && entry->queueId != 0;
  if (ok.status == wire::StreamStatus::kLostAfterAck) {
    base::logError("event=lost_after_ack stream=" + event::toString(key) +
                   " hint=\"the aggregator's queue lost acknowledged data; what is still on this "
                   "node is sent again, flagged in_doubt\"");
  }
  // The checkpoint from before is given by value: adopt() may replace what it points to.
  const event::Resume before = known ? entry->resume : event::Resume();
  if (ok.status == wire::StreamStatus::kKnown) checkpoints_.adopt(key, queueId_, ok.resume);
  events_.onStreamOk(key, ok.status, ok.resume, known ? &before : nullptr);
}

Outcome ShipperSession::onEnded(const event::StreamKey& key) {
  const auto found = streams_.find(key);
  if (found == streams_.end() || !found->second.endSaid) return {};
  toEnd_.erase(key);
  streams_.erase(found);
  checkpoints_.forget(key);
  continueDrain();
  return {};
}

Outcome ShipperSession::onAck(std::string_view payload) {
  const auto ack = wire::decodeAck(payload);
  if (!ack.ok()) return malformed(ack.message());
  if (ack->queueId != queueId_) return malformed("ACK of another queue than HELLO_OK's");
  std::vector<FramePtr> acked;
  const base::Status status =
      window_.with([&](FrameWindow& w) { return w.ack(ack->sequence, acked); });
  if (!status.ok()) return malformed(status.message());
  damagedTimes_ = 0;
  takeAcked(acked, ack->forbidden);
  return {};
}

void ShipperSession::takeAcked(const std::vector<FramePtr>& frames,
                               const std::vector<wire::RefusedBlock>& refused) {
  if (frames.empty()) return;
  for (const FramePtr& frame : frames) {
    uint64_t firstBlock = 0;
    for (const SealedUnit& unit : frame->units) {
      takeAckedUnit(frame, unit, firstBlock, refused);
      firstBlock += unit.blocks.size();
    }
  }
  if (window_.with([](FrameWindow& w) { return w.takeRoom(); })) events_.onRoom();
  sayEnds();
  continueDrain();
}

void ShipperSession::takeAckedUnit(const FramePtr& frame, const SealedUnit& unit,
                                   uint64_t firstBlock,
                                   const std::vector<wire::RefusedBlock>& refused) {
  std::vector<event::BlockHeader> taken;  // used only when some were refused
  bool anyRefused = false;
  for (size_t i = 0; i < unit.blocks.size(); ++i) {
    const event::BlockHeader& block = unit.blocks[i];
    const wire::RefusedBlock here{frame->sequence, firstBlock + i};
    if (!refused.empty() && std::find(refused.begin(), refused.end(), here) != refused.end()) {
      const auto end = unit.blocks.begin() + static_cast<ptrdiff_t>(i);
      if (!anyRefused) taken.assign(unit.blocks.begin(), end);
      anyRefused = true;
      ++counts_.forbiddenBlocks;
      forbid(block.stream);
      continue;
    }
    if (anyRefused) taken.push_back(block);
    checkpoints_.acknowledged(block, queueId_);
    if (const auto stream = streams_.find(block.stream); stream != streams_.end()) {
      stream->second.ackedInLife = true;
    }
  }
  if (!anyRefused) return events_.onAcked(AckedBlocks(frame, &unit.blocks), queueId_);
  if (taken.empty()) return;
  events_.onAcked(std::make_shared<const std::vector<event::BlockHeader>>(std::move(taken)),
                  queueId_);
}

void ShipperSession::forbid(const event::StreamKey& key) {
  const auto found = streams_.find(key);
  if (found == streams_.end() || std::exchange(found->second.forbidden, true)) return;
  base::logError(
      "event=forbidden stream=" + event::toString(key) +
      " hint=\"the stream belongs to another node; is the node name of this agent right?\"");
  events_.onForbidden(key);
}

Outcome ShipperSession::onNack(std::string_view payload) {
  const auto nack = wire::decodeNack(payload);
  if (!nack.ok()) return malformed(nack.message());
  ++counts_.nacks[static_cast<size_t>(nack->reason)];
  const auto delay =
      std::clamp(std::chrono::milliseconds(nack->retryAfterMs), kMinRetry, kMaxRetry);
  const base::Status status =
      window_.with([&](FrameWindow& w) { return w.nack(nack->sequence, clock_.steady() + delay); });
  if (!status.ok()) return malformed(status.message());
  switch (nack->reason) {
    case wire::NackReason::kOverlap:
      return reset(ResetReason::kOverlap, "a block overlaps what the ledger holds");
    case wire::NackReason::kUnknownStream:
      return {Outcome::Kind::kBackOff, "the aggregator does not know a stream of ours"};
    case wire::NackReason::kDamaged:
      damagedTimes_ = damagedSequence_ == nack->sequence ? damagedTimes_ + 1 : 1;
      damagedSequence_ = nack->sequence;
      if (damagedTimes_ < kDamagedLimit) return {};
      return reset(ResetReason::kDamaged, "a frame arrives damaged again and again");
    case wire::NackReason::kQueueFull:
    case wire::NackReason::kNotReady:
      break;
  }
  return {};
}

Outcome ShipperSession::onError(std::string_view payload) {
  const auto error = wire::decodeError(payload);
  if (!error.ok()) return malformed(error.message());
  const std::string text = std::string("the aggregator says ") + wire::name(error->code) +
                           (error->text.empty() ? "" : ": ") + error->text;
  switch (error->code) {
    case wire::ErrorCode::kVersion:
    case wire::ErrorCode::kNotAuthorised:
    case wire::ErrorCode::kFenced:
    case wire::ErrorCode::kOverLimit:
      return {Outcome::Kind::kRefused, text};
    default:
      return {Outcome::Kind::kBackOff, text};
  }
}

Outcome ShipperSession::reset(ResetReason reason, std::string text) {
  ++counts_.resets;
  window_.with([](FrameWindow& w) { w.reset(); });
  life_ = base::randomId();
  queueId_ = 0;
  damagedTimes_ = 0;
  resetting_ = true;
  for (auto& [key, stream] : streams_) {
    stream.ackedInLife = false;
    if (!stream.ending && !stream.forbidden) stream.wanted = true;
  }
  base::logWarn(std::string("event=reset reason=") + name(reason) + " text=\"" + text + "\"");
  events_.onReset(reason);
  return {Outcome::Kind::kReconnect, std::move(text)};
}

}  // namespace logtail::agent
