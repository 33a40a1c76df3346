#include "common/wire/message_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "common/base/checksum.h"

namespace logtail::wire {
namespace {

// Small messages and a frame's head come in one read; of a frame no more than this is copied.
constexpr size_t kBufferBytes = 16 * 1024;

base::Error damaged() {
  return {base::Errc::kFixInput, "wire: message with a wrong CRC"};
}

}  // namespace

MessageReader::MessageReader()
    : buffer_(std::make_unique_for_overwrite<char[]>(kBufferBytes)), capacity_(kBufferBytes) {}

std::array<std::span<char>, 2> MessageReader::buffers() {
  const size_t rest = state_ == State::kPayload ? header_.length : 0;
  makeRoom(std::max(kMessageHeaderBytes + rest, held() + 1));
  const std::span<char> room(buffer_.get() + end_, capacity_ - end_);
  if (state_ != State::kFrameBody) return {room, std::span<char>()};
  return {std::span<char>(destination_, destinationLeft_), room};
}

void MessageReader::commit(size_t bytes) {
  if (state_ == State::kFrameBody) {
    const size_t direct = std::min(bytes, destinationLeft_);
    destination_ += direct;
    destinationLeft_ -= direct;
    bytes -= direct;
  }
  LOGTAIL_ASSERT(bytes <= capacity_ - end_);
  end_ += bytes;
}

// Moves what is held to the front and gives the buffer room for `bytes` in all.
void MessageReader::makeRoom(size_t bytes) {
  const size_t wanted = std::max(bytes, kBufferBytes);
  const size_t have = held();
  if (wanted > capacity_ || (capacity_ > kBufferBytes && wanted <= kBufferBytes)) {
    auto fresh = std::make_unique_for_overwrite<char[]>(wanted);
    std::memcpy(fresh.get(), buffer_.get() + begin_, have);
    buffer_ = std::move(fresh);
    capacity_ = wanted;
  } else if (begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, have);
  }
  begin_ = 0;
  end_ = have;
}

base::Result<MessageReader::Step> MessageReader::next() {
  for (;;) {
    switch (state_) {
      case State::kHeader: {
        if (held() < kMessageHeaderBytes) return Step::kNeedMore;
        auto step = header();
        if (!step.ok() || *step != Step::kNeedMore) return step;
        if (state_ == State::kHeader) return step;  // a frame's head is not whole yet
        break;
      }
      case State::kPayload:
        return payload();
      case State::kFrameWaits:
        return Step::kFrame;
      case State::kFrameBody:
        if (!takeFrameBytes()) return Step::kNeedMore;
        state_ = skipLeft_ > 0 ? State::kSkip : State::kHeader;
        return Step::kFrameDone;
      case State::kSkip: {
        auto done = skipBytes();
        if (!done.ok()) return done.error();
        if (!*done) return Step::kNeedMore;
        state_ = State::kHeader;
        break;
      }
    }
  }
}

// Decides by a whole header what follows. kNeedMore: state_ says what to do next.
base::Result<MessageReader::Step> MessageReader::header() {
  const char* at = buffer_.get() + begin_;
  auto peeked = peekMessageHeader(at, maxPayload_);
  if (!peeked.ok()) return peeked.error();
  header_ = *peeked;
  if (header_.type == MessageType::kFrame) return frameHead();
  if (isKnown(header_.type)) {
    state_ = State::kPayload;
    return Step::kNeedMore;
  }
  if ((header_.flags & kMessageCritical) != 0) {
    return base::Error{
        base::Errc::kTooNew,
        "wire: unknown message type " + std::to_string(static_cast<unsigned>(header_.type))};
  }
  skipCrc_ = messageCrc(at, {});
  skipChecked_ = true;
  skipLeft_ = header_.length;
  begin_ += kMessageHeaderBytes;
  ++skippedMessages_;
  state_ = State::kSkip;
  return Step::kNeedMore;
}

base::Result<MessageReader::Step> MessageReader::payload() {
  // The header stays in front of the payload until the CRC over both is checked.
  if (held() < kMessageHeaderBytes + header_.length) return Step::kNeedMore;
  const char* at = buffer_.get() + begin_;
  const std::string_view bytes(at + kMessageHeaderBytes, header_.length);
  if (messageCrc(at, bytes) != header_.crc) return damaged();
  message_ = {header_.type, bytes};
  begin_ += kMessageHeaderBytes + header_.length;
  state_ = State::kHeader;
  return Step::kMessage;
}

base::Result<MessageReader::Step> MessageReader::frameHead() {
  if (header_.length < kFrameHeadBytes) return decodeFrameHead({}, header_.length).error();
  if (held() < kFramePrefixBytes) return Step::kNeedMore;
  const char* at = buffer_.get() + begin_;
  const std::string_view head(at + kMessageHeaderBytes, kFrameHeadBytes);
  if (messageCrc(at, head) != header_.crc) return damaged();
  auto frame = decodeFrameHead(head, header_.length);
  if (!frame.ok()) return frame.error();
  frame_ = *frame;
  begin_ += kFramePrefixBytes;
  skipChecked_ = false;
  skipLeft_ = header_.length - kFrameHeadBytes - frame_.bytes;  // fields of a newer version
  state_ = State::kFrameWaits;
  return Step::kFrame;
}

void MessageReader::receiveFrame(char* destination) {
  LOGTAIL_ASSERT(state_ == State::kFrameWaits);
  destination_ = destination;
  destinationLeft_ = frame_.bytes;
  state_ = State::kFrameBody;
}

void MessageReader::skipFrame() {
  LOGTAIL_ASSERT(state_ == State::kFrameWaits);
  skipLeft_ += frame_.bytes;
  state_ = State::kSkip;
}

bool MessageReader::takeFrameBytes() {
  const size_t copied = std::min(held(), destinationLeft_);
  std::memcpy(destination_, buffer_.get() + begin_, copied);
  begin_ += copied;
  destination_ += copied;
  destinationLeft_ -= copied;
  return destinationLeft_ == 0;
}

base::Result<bool> MessageReader::skipBytes() {
  const size_t taken = std::min(held(), skipLeft_);
  if (skipChecked_) skipCrc_ = base::crc32c({buffer_.get() + begin_, taken}, skipCrc_);
  begin_ += taken;
  skipLeft_ -= taken;
  if (skipLeft_ > 0) return false;
  if (skipChecked_ && skipCrc_ != header_.crc) return damaged();
  return true;
}

}  // namespace logtail::wire
