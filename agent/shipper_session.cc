#include "agent/shipper_session.h"

#include <algorithm>

#include "common/base/log.h"
#include "common/base/random.h"

namespace logtail::agent {
namespace {

constexpr size_t kControlChunk = 64 * 1024;  // of announcements at a time

Outcome malformed(std::string text) {
  return {Outcome::Kind::kMalformed, std::move(text)};
}

}  // namespace

const char* name(ResetReason reason) {
  switch (reason) {
    case ResetReason::kLostAfterAck:
      return "lost_after_ack";
    case ResetReason::kOverlap:
      return "overlap";
    case ResetReason::kQueueChanged:
      return "queue_changed";
    case ResetReason::kDamaged:
      return "damaged";
  }
  return "unknown";
}

ShipperSession::ShipperSession(SessionOptions options, LockedWindow& window,
                               CheckpointStore& checkpoints, base::Clock& clock,
                               ShipperEvents& events)
    : options_(std::move(options)),
      window_(window),
      checkpoints_(checkpoints),
      clock_(clock),
      events_(events),
      life_(base::randomId()) {
  // Ends that an earlier run could not bring home.
  checkpoints_.forEach([&](const event::StreamKey& key, const CheckpointStore::Entry& entry) {
    if (!entry.ended) return;
    Stream& stream = streams_[key];
    stream.wanted = false;
    stream.ending = true;
    toEnd_.insert(key);
  });
}

void ShipperSession::announce(const event::StreamKey& key, std::string description) {
  checkpoints_.describe(key, std::move(description));
  Stream& stream = streams_[key];
  stream.wanted = true;
  stream.ending = false;
  stream.endSaid = false;
  toEnd_.erase(key);
  if (phase_ != Phase::kOpen) return;
  stream.open = false;
  toAnnounce_.push_back(key);
}

void ShipperSession::endStream(const event::StreamKey& key) {
  const auto found = streams_.find(key);
  if (found == streams_.end()) return;
  if (found->second.forbidden) {
    if (found->second.awaited) --awaitedStreams_;
    streams_.erase(found);
    checkpoints_.forget(key);
    return;
  }
  found->second.ending = true;
  toEnd_.insert(key);
  sayEnds();
  continueDrain();
}

void ShipperSession::sendStats(wire::Stats stats) {
  if (phase_ != Phase::kOpen) {
    finalStatsAsked_ = false;
    return;
  }
  const bool final = stats.final;
  std::vector<wire::StreamStats> all = std::move(stats.streams);
  size_t from = 0;
  do {
    const size_t count = std::min(all.size() - from, wire::kMaxStatsStreams);
    const auto first = all.begin() + static_cast<ptrdiff_t>(from);
    stats.streams.assign(first, first + static_cast<ptrdiff_t>(count));
    from += count;
    stats.final = final && from == all.size();
    encode(stats, control_);
  } while (from < all.size());
  finalStatsSaid_ = finalStatsSaid_ || final;
}

void ShipperSession::resetDone() {
  if (!std::exchange(resetting_, false)) return;
  const bool room = window_.with([](FrameWindow& w) {
    w.reopen();
    return w.takeRoom();
  });
  if (room) events_.onRoom();
}

void ShipperSession::begin() {
  phase_ = Phase::kHelloSaid;
  control_.clear();
  lastHeard_ = lastPing_ = clock_.steady();
  wire::Hello hello;
  hello.life = life_;
  hello.nextSequence = window_.with([](FrameWindow& w) { return w.nextSequence(); });
  hello.cluster = options_.cluster;
  hello.node = options_.node;
  hello.agentVersion = options_.agentVersion;
  hello.token = options_.token;
  hello.fresh = checkpoints_.fresh() && !everOpen_;
  encode(hello, control_);
}

void ShipperSession::end() {
  phase_ = Phase::kClosed;
  control_.clear();
  toAnnounce_.clear();
  awaitedStreams_ = 0;
  finalStatsAsked_ = finalStatsSaid_ = false;
  window_.with([](FrameWindow& w) { w.disconnected(); });
  for (auto& [key, stream] : streams_) {
    stream.open = stream.awaited = stream.endSaid = false;
    if (stream.ending) toEnd_.insert(key);
  }
}

Outcome ShipperSession::take(const wire::MessageReader::Message& message) {
  lastHeard_ = clock_.steady();
  const bool greeted = phase_ == Phase::kOpen;
  switch (message.type) {
    case wire::MessageType::kError:
      return onError(message.payload);
    case wire::MessageType::kHelloOk:
      if (!greeted) return onHelloOk(message.payload);
      break;
    case wire::MessageType::kStreamOk:
      if (greeted) return onStreamOk(message.payload);
      break;
    case wire::MessageType::kAck:
      if (greeted) return onAck(message.payload);
      break;
    case wire::MessageType::kNack:
      if (greeted) return onNack(message.payload);
      break;
    case wire::MessageType::kPing: {
      const auto ping = wire::decodePing(message.payload);
      if (!ping.ok()) return malformed(ping.message());
      encode(wire::Pong{ping->token}, control_);
      return {};
    }
    case wire::MessageType::kPong:
      return {};
    default:
      break;
  }
  return malformed(std::string("unexpected ") + wire::name(message.type));
}

Outcome ShipperSession::onHelloOk(std::string_view payload) {
  const auto hello = wire::decodeHelloOk(payload);
  if (!hello.ok()) return malformed(hello.message());
  if (hello->version < wire::kMinVersion || hello->version > wire::kMaxVersion) {
    return malformed("HELLO_OK with version " + std::to_string(hello->version));
  }
  std::vector<FramePtr> acked;
  const base::Status status = window_.with(
      [&](FrameWindow& w) { return w.connected(hello->ackedSequence, hello->windowBytes, acked); });
  if (!status.ok()) return malformed(status.message());
  const bool moved = queueId_ != 0 && queueId_ != hello->queueId;
  queueId_ = hello->queueId;
  phase_ = Phase::kOpen;
  everOpen_ = true;
  statsAt_ = clock_.steady() + options_.statsInterval;
  events_.onConnected(*hello);
  takeAcked(acked, {});
  if (moved && window_.with([](FrameWindow& w) { return w.anySent(); })) {
    return reset(ResetReason::kQueueChanged, "another queue answers, its id is not the one before");
  }
  announceAll();
  continueDrain();
  return {};
}

// Streams with pending frames first: those wait for the answer.
void ShipperSession::announceAll() {
  std::vector<event::StreamKey> idle;
  window_.with([&](FrameWindow& w) {
    for (auto& [key, stream] : streams_) {
      if (w.pendingBlocks(key) == 0) {
        idle.push_back(key);
        continue;
      }
      stream.awaited = true;
      ++awaitedStreams_;
      toAnnounce_.push_back(key);
    }
  });
  toAnnounce_.insert(toAnnounce_.end(), idle.begin(), idle.end());
}

void ShipperSession::fillAnnouncements() {
  while (!toAnnounce_.empty() && control_.size() < kControlChunk) {
    const event::StreamKey key = toAnnounce_.front();
    toAnnounce_.pop_front();
    const CheckpointStore::Entry* entry = checkpoints_.find(key);
    if (entry == nullptr || !streams_.contains(key)) continue;  // ended meanwhile
    wire::StreamOpen open{key, entry->description, std::nullopt};
    if (entry->queueId != 0)
      open.checkpoint = wire::StreamCheckpoint{entry->queueId, entry->resume};
    encode(open, control_);
  }
}

std::string ShipperSession::control() {
  fillAnnouncements();
  return std::exchange(control_, {});
}

FramePtr ShipperSession::frame() {
  if (phase_ != Phase::kOpen || awaitedStreams_ > 0) return nullptr;
  const base::Nanos now = clock_.steady();
  return window_.with([&](FrameWindow& w) { return w.next(now); });
}

Outcome ShipperSession::tick() {
  const base::Nanos now = clock_.steady();
  if (phase_ == Phase::kClosed) return {};
  if (now - lastHeard_ >= options_.silenceLimit) {
    return {Outcome::Kind::kBackOff, "the aggregator is silent"};
  }
  if (phase_ != Phase::kOpen) return {};
  if (now - lastHeard_ >= options_.pingAfter && now - lastPing_ >= options_.pingAfter) {
    lastPing_ = now;
    encode(wire::Ping{static_cast<uint64_t>(now.count())}, control_);
  }
  if (now >= statsAt_ && !draining_) {
    statsAt_ = now + options_.statsInterval;
    events_.onStatsDue(false);
  }
  continueDrain();
  return {};
}

base::Nanos ShipperSession::wakeAt() {
  if (phase_ == Phase::kClosed) return base::Nanos::max();
  base::Nanos at = lastHeard_ + options_.silenceLimit;
  if (phase_ != Phase::kOpen) return at;
  at = std::min(at, std::max(lastHeard_, lastPing_) + options_.pingAfter);
  if (!draining_) at = std::min(at, statsAt_);
  // A delay that is over ends when the socket is ready, not by time.
  const auto retry = window_.with([](FrameWindow& w) { return w.wakeAt(); });
  return retry && *retry > clock_.steady() ? std::min(at, *retry) : at;
}

void ShipperSession::sayEnds() {
  if (phase_ != Phase::kOpen) return;
  for (auto at = toEnd_.begin(); at != toEnd_.end();) {
    Stream& stream = streams_[*at];
    const bool pending = window_.with([&](FrameWindow& w) { return w.pendingBlocks(*at) > 0; });
    if (!stream.open || pending) {
      ++at;
      continue;
    }
    checkpoints_.markEnded(*at);
    stream.endSaid = true;
    encode(wire::StreamEnd{*at}, control_);
    at = toEnd_.erase(at);
  }
}

// At the end of a drain: everything acknowledged, every end answered, then the last STATS.
void ShipperSession::continueDrain() {
  if (!draining_ || finalStatsAsked_ || phase_ != Phase::kOpen) return;
  if (!toAnnounce_.empty() || !window_.with([](FrameWindow& w) { return w.empty(); })) return;
  for (const auto& [key, stream] : streams_) {
    if (stream.ending) return;
  }
  finalStatsAsked_ = true;
  events_.onStatsDue(true);
}

}  // namespace logtail::agent
