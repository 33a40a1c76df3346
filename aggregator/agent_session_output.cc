// AgentSession's answers, time-outs and endings.

#include <utility>

#include "aggregator/agent_session.h"
#include "common/base/log.h"

namespace logtail::aggregator {

template <typename Message>
void AgentSession::send(const Message& message) {
  if (state_ == State::kClosed || lastWrite_) return;
  wire::encode(message, output_);
}
template void AgentSession::send(const wire::HelloOk&);
template void AgentSession::send(const wire::StreamOk&);
template void AgentSession::send(const wire::Ack&);
template void AgentSession::send(const wire::Nack&);
template void AgentSession::send(const wire::Ping&);
template void AgentSession::send(const wire::Pong&);
template void AgentSession::send(const wire::ErrorMessage&);

void AgentSession::flush() {
  if (inProcess_ || writing_ || state_ == State::kClosed) return;
  if (output_.empty()) {
    if (lastWrite_) connection_->finishWriting();
    if (state_ == State::kFinishing && quiet_) close();
    return;
  }
  writing_ = true;
  writeBegan_ = clock_.steady();
  connection_->write(std::exchange(output_, {}), [self = shared_from_this()](bool ok) {
    self->writing_ = false;
    if (!ok) return self->close();
    self->flush();
    self->read();  // it may have stopped for the output's size
  });
}

void AgentSession::sendAck() {
  wire::Ack ack;
  if (attached_.link == nullptr || !attached_.link->takeAck(acked_, ack)) return;
  acked_ = ack.sequence;
  ack.queueId = attached_.answer.queueId;
  send(ack);
}

void AgentSession::durableMoved() {
  // One task for however many frames one sync made durable.
  if (ackPosted_.exchange(true)) return;
  connection_->post([self = shared_from_this()] {
    self->ackPosted_ = false;
    if (self->state_ != State::kReady && self->state_ != State::kFinishing) return;
    self->sendAck();
    self->flush();
  });
}

void AgentSession::fenced() {
  connection_->post([self = shared_from_this()] {
    self->fail(wire::ErrorCode::kFenced, "a newer connection of this node is here");
  });
}

void AgentSession::intakeStopped() {
  connection_->post([self = shared_from_this()] {
    self->fail(wire::ErrorCode::kShuttingDown,
               "acknowledging has stopped: " + self->intake_.stopReason());
  });
}

void AgentSession::drain() {
  connection_->post([self = shared_from_this()] {
    self->draining_ = true;
    if (self->state_ == State::kReady) {
      self->finish();
    } else if (self->state_ != State::kFinishing) {
      self->fail(wire::ErrorCode::kShuttingDown, "the aggregator is stopping");
    }
  });
}

void AgentSession::finish() {
  state_ = State::kFinishing;
  const bool stopped = intake_.stopped();
  if (stopped) return close();
  if (!later_.empty()) return;  // tick() comes here again
  intake_.whenQuiet(attached_, [self = shared_from_this()] {
    self->connection_->post([self] {
      if (self->state_ != State::kFinishing) return;
      self->sendAck();
      if (self->draining_) {
        return self->fail(wire::ErrorCode::kShuttingDown, "the aggregator is stopping");
      }
      self->quiet_ = true;
      self->flush();
    });
  });
}

void AgentSession::tick() {
  if (state_ == State::kClosed) return;
  const base::Nanos now = clock_.steady();
  while (!later_.empty() && (state_ == State::kReady || state_ == State::kFinishing)) {
    const base::Status done = later_.front()();
    if (!done.ok() && done.code() == base::Errc::kPushBack) break;
    later_.pop_front();
    if (!done.ok()) return fail(wire::ErrorCode::kShuttingDown, done.message());
    if (later_.empty() && state_ == State::kFinishing) finish();
  }
  if (writing_ && now - writeBegan_ > options_.write) {
    base::logWarn("agent " + connection_->peer() + " takes no answers: closing");
    return close();
  }
  switch (state_) {
    case State::kHello:
      if (now - lastRead_ > options_.hello) close();
      return;
    case State::kReady:
      if (now - lastRead_ > options_.idle) {
        base::logWarn("agent " + connection_->peer() + " is silent: closing");
        return close();
      }
      if (now - lastRead_ > options_.ping && now - lastPing_ > options_.ping) {
        lastPing_ = now;
        send(wire::Ping{static_cast<uint64_t>(now.count())});
        flush();
      }
      return;
    case State::kClosing:
      if (now > closeAt_) close();
      return;
    default:
      return;
  }
}

void AgentSession::fail(wire::ErrorCode code, const std::string& text) {
  if (state_ == State::kClosing || state_ == State::kClosed) return;
  base::LogLevel level = base::LogLevel::kWarn;
  if (code == wire::ErrorCode::kShuttingDown) level = base::LogLevel::kInfo;
  if (code == wire::ErrorCode::kNotAuthorised)
    level = base::LogLevel::kDebug;  // onOtherNode() tells
  base::log(level, "agent " + connection_->peer() + ": " + wire::name(code) + ": " + text);
  send(wire::ErrorMessage{code, text});
  // The peer reads our last words only if its own bytes do not meet a closed socket.
  state_ = State::kClosing;
  lastWrite_ = true;
  later_.clear();
  closeAt_ = clock_.steady() + options_.linger;
  flush();
  read();
}

void AgentSession::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  later_.clear();
  buffer_.reset();
  connection_->close();
  if (closed_) std::exchange(closed_, nullptr)();
}

}  // namespace logtail::aggregator
