#include "aggregator/agent_session.h"

#include <utility>

#include "common/base/log.h"
#include "common/base/printable.h"

namespace logtail::aggregator {
namespace {

constexpr size_t kHelloPayload = 64 * 1024;

std::string printable(const std::string& text) {
  std::string shown;
  base::appendPrintable(text, shown);
  return shown;
}

}  // namespace

AgentSession::AgentSession(std::unique_ptr<Connection> connection, Intake& intake,
                           base::MemoryBudget& budget, const base::Clock& clock,
                           IntakeMetrics& metrics, Options options, std::function<void()> closed)
    : connection_(std::move(connection)),
      intake_(intake),
      budget_(budget),
      clock_(clock),
      metrics_(metrics),
      options_(options),
      closed_(std::move(closed)),
      lastRead_(clock.steady()) {
  reader_.setMaxPayload(kHelloPayload);
}

AgentSession::~AgentSession() = default;

void AgentSession::start() {
  read();
}

// --- reading
// --------------------------------------------------------------------------------------

void AgentSession::read() {
  const bool wanted = state_ != State::kFinishing && state_ != State::kClosed &&
                      output_.size() <= options_.maxOutput;
  if (readPending_ || !wanted) return;
  readPending_ = true;
  const bool ignored = state_ == State::kClosing;
  const auto into =
      ignored ? std::array{std::span<char>(ignored_), std::span<char>()} : reader_.buffers();
  connection_->read(into, [self = shared_from_this(), ignored](auto end, size_t bytes) {
    self->readPending_ = false;
    self->onRead(end, ignored ? 0 : bytes);
  });
}

void AgentSession::onRead(Connection::ReadEnd end, size_t bytes) {
  if (state_ == State::kClosed) return;
  if (end == Connection::ReadEnd::kFailed) return close();
  if (end == Connection::ReadEnd::kEndOfFile) return onEndOfFile();
  if (state_ != State::kHello) lastRead_ = clock_.steady();  // HELLO has its time, byte by byte too
  if (state_ == State::kClosing) return read();
  reader_.commit(bytes);
  process();
}

void AgentSession::process() {
  inProcess_ = true;  // answers are gathered and go out in one write
  while (state_ == State::kHello || state_ == State::kReady) {
    const base::Result<Step> step = reader_.next();
    base::Status status = step.status();
    if (step.ok()) {
      if (*step == Step::kNeedMore) break;
      if (*step == Step::kMessage) status = onMessage();
      if (*step == Step::kFrame) status = onFrameHead();
      if (*step == Step::kFrameDone) status = onFrameDone();
    }
    if (status.ok()) continue;
    switch (status.code()) {
      case base::Errc::kRetry:
        fail(wire::ErrorCode::kFenced, status.message());
        break;
      case base::Errc::kStop:
        fail(wire::ErrorCode::kShuttingDown, status.message());
        break;
      case base::Errc::kPushBack:
        fail(wire::ErrorCode::kOverLimit, status.message());
        break;
      case base::Errc::kTooNew:
        fail(wire::ErrorCode::kUnknownType, status.message());
        break;
      default:
        metrics_.malformed.add();
        fail(wire::ErrorCode::kMalformed, status.message());
    }
  }
  inProcess_ = false;
  flush();
  // While HELLO waits, what follows it waits in the socket.
  if (state_ == State::kReady || state_ == State::kHello || state_ == State::kClosing) read();
}

void AgentSession::onEndOfFile() {
  if (state_ == State::kReady) return finish();
  close();
}

base::Status AgentSession::onMessage() {
  const wire::MessageReader::Message& message = reader_.message();
  if (state_ == State::kHello && message.type != wire::MessageType::kHello) {
    return {base::Errc::kFixInput, "HELLO must come first"};
  }
  switch (message.type) {
    case wire::MessageType::kHello:
      if (state_ != State::kHello) return {base::Errc::kFixInput, "a second HELLO"};
      return onHello(message.payload);
    case wire::MessageType::kStream:
      return onStream(message.payload);
    case wire::MessageType::kStreamEnd:
      return onStreamEnd(message.payload);
    case wire::MessageType::kStats:
      return onStats(message.payload);
    case wire::MessageType::kPing: {
      const base::Result<wire::Ping> ping = wire::decodePing(message.payload);
      if (!ping.ok()) return ping.error();
      send(wire::Pong{ping->token});
      return {};
    }
    case wire::MessageType::kPong:
      return {};
    case wire::MessageType::kError: {
      const base::Result<wire::ErrorMessage> error = wire::decodeError(message.payload);
      base::logWarn("agent " + connection_->peer() +
                    " ends its connection: " + (error.ok() ? error->text : error.message()));
      close();
      return {};
    }
    default:
      return {base::Errc::kFixInput,
              std::string(wire::name(message.type)) + " is not for an agent to send"};
  }
}

// --- HELLO, streams, counts
// -----------------------------------------------------------------------

base::Status AgentSession::onHello(std::string_view payload) {
  base::Result<wire::Hello> hello = wire::decodeHello(payload);
  if (!hello.ok()) return hello.error();
  if (hello->minVersion > wire::kMaxVersion || hello->maxVersion < wire::kMinVersion) {
    fail(wire::ErrorCode::kVersion, "this aggregator speaks versions " +
                                        std::to_string(wire::kMinVersion) + " to " +
                                        std::to_string(wire::kMaxVersion));
    return {};
  }
  const std::optional<std::string> proven = connection_->provenNode();
  if (proven.has_value() && hello->node != *proven) {
    // To go on as the proven node would fence the agent that has a right to the name.
    const std::string text =
        "the certificate is node " + *proven + "'s, HELLO says " + printable(hello->node);
    connection_->onOtherNode(text);
    fail(wire::ErrorCode::kNotAuthorised, text);
    return {};
  }
  state_ = State::kWaiting;
  intake_.hello(*hello, proven.has_value(), weak_from_this(),
                [self = shared_from_this()](base::Result<Intake::Attached> attached) {
                  self->connection_->post([self, attached = std::move(attached)]() mutable {
                    self->onAttached(std::move(attached));
                  });
                });
  return {};
}

void AgentSession::onAttached(base::Result<Intake::Attached> attached) {
  if (state_ != State::kWaiting) return;
  if (!attached.ok()) {
    const wire::ErrorCode code = attached.code() == base::Errc::kRetry ? wire::ErrorCode::kFenced
                                 : attached.code() == base::Errc::kPushBack
                                     ? wire::ErrorCode::kOverLimit
                                     : wire::ErrorCode::kShuttingDown;
    return fail(code, attached.message());
  }
  attached_ = std::move(*attached);
  nextFrame_ = attached_.nextFrame;
  acked_ = attached_.answer.ackedSequence;
  reader_.setMaxPayload(wire::kMaxPayload);
  state_ = State::kReady;
  lastRead_ = clock_.steady();
  send(attached_.answer);
  process();
}

base::Status AgentSession::tryOrLater(std::function<base::Status()> attempt) {
  if (later_.empty()) {
    const base::Status done = attempt();
    if (done.ok() || done.code() != base::Errc::kPushBack) return done;
  }
  if (later_.size() >= options_.maxLater) {
    return {base::Errc::kPushBack, "too many messages wait for room"};
  }
  later_.push_back(std::move(attempt));
  return {};
}

base::Status AgentSession::onStream(std::string_view payload) {
  base::Result<wire::StreamOpen> open = wire::decodeStream(payload);
  if (!open.ok()) return open.error();
  return tryOrLater([this, open = std::move(*open)] {
    return intake_.openStream(attached_, open,
                              [self = shared_from_this()](const wire::StreamOk& ok) {
                                self->connection_->post([self, ok] {
                                  self->send(ok);
                                  self->flush();
                                });
                              });
  });
}

base::Status AgentSession::onStreamEnd(std::string_view payload) {
  const base::Result<wire::StreamEnd> end = wire::decodeStreamEnd(payload);
  if (!end.ok()) return end.error();
  const event::StreamKey key = end->key;
  return tryOrLater([this, key] {
    return intake_.endStream(attached_, key, [self = shared_from_this(), key] {
      self->connection_->post([self, key] {
        self->send(wire::StreamOk{key, wire::StreamStatus::kEnded, {}});
        self->flush();
      });
    });
  });
}

base::Status AgentSession::onStats(std::string_view payload) {
  constexpr size_t kStatsHead = 9;  // final, time; the body is stored as it came
  base::Result<wire::Stats> stats = wire::decodeStats(payload);
  if (!stats.ok()) return stats.error();
  std::string body(payload.substr(kStatsHead));
  if (stats->final) {
    return tryOrLater([this, stats = std::move(*stats), body = std::move(body)] {
      return intake_.stats(attached_, stats, body);
    });
  }
  const base::Status stored = intake_.stats(attached_, *stats, body);
  if (stored.ok() || stored.code() != base::Errc::kPushBack) return stored;
  metrics_.statsDropped.add();  // the next ones say the same and more
  return {};
}

// --- frames
// ---------------------------------------------------------------------------------------

base::Status AgentSession::onFrameHead() {
  if (state_ != State::kReady) return {base::Errc::kFixInput, "HELLO must come first"};
  const wire::FrameHead& head = reader_.frame();
  if (head.sequence < nextFrame_) {
    // Known: acknowledged once the original is durable, which is told in any case.
    metrics_.framesResent.add();
    reader_.skipFrame();
    wire::Ack ack;
    if (attached_.link->durableFrame() >= head.sequence &&
        attached_.link->durableFrame() == acked_) {
      ack.sequence = acked_;
      ack.queueId = attached_.answer.queueId;
      send(ack);
    }
    return {};
  }
  if (head.sequence > nextFrame_) {
    reader_.skipFrame();
    if (!discarding_) nack({nextFrame_, wire::NackReason::kNotReady, 0, {}});
    return {};
  }
  if (window_->load(std::memory_order_relaxed) >
      2 * uint64_t{attached_.answer.windowBytes} + wire::kMaxPayload) {
    return {base::Errc::kPushBack, "more unacknowledged bytes than the window allows"};
  }
  buffer_ = FrameBuffer::allocate(head.bytes, budget_, window_);
  if (buffer_ == nullptr) {
    reader_.skipFrame();
    nack({nextFrame_, wire::NackReason::kNotReady, 250, {}});
    return {};
  }
  reader_.receiveFrame(buffer_->data());
  return {};
}

base::Status AgentSession::onFrameDone() {
  using Kind = Intake::FrameAnswer::Kind;
  const wire::FrameHead head = reader_.frame();
  const std::shared_ptr<FrameBuffer> buffer = std::move(buffer_);
  discarding_ = false;
  switch (wire::checkFrame(head, buffer->view(), units_)) {
    case wire::FrameCheck::kDamaged:
      nack({head.sequence, wire::NackReason::kDamaged, 0, {}});
      return {};
    case wire::FrameCheck::kPoison:
      intake_.poison(attached_, head.sequence, buffer->view(), "malformed units");
      ++nextFrame_;
      return {};
    case wire::FrameCheck::kGood:
      break;
  }
  Intake::FrameAnswer answer = intake_.frame(attached_, head.sequence, buffer, units_);
  units_.clear();
  switch (answer.kind) {
    case Kind::kTaken:
      ++nextFrame_;
      return {};
    case Kind::kNack:
      nack(answer.nack);
      return {};
    case Kind::kFenced:
      return {base::Errc::kRetry, "a newer life of this node is connected"};
    case Kind::kStopped:
      return {base::Errc::kStop, "acknowledging has stopped"};
  }
  return {};
}

void AgentSession::nack(const wire::Nack& nack) {
  metrics_.nacks[static_cast<size_t>(nack.reason)]->add();
  discarding_ = true;
  send(nack);
}

}  // namespace logtail::aggregator
