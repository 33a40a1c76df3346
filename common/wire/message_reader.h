#pragma once
// Cuts the bytes of a connection into messages, without input or output of its own.
//
// Flow: socket -> buffers() / commit() -> next() -> decode…(). Owned by one connection, which
// outlives no view it gave. Thread: the connection's. A frame's units go straight into memory of
// the owner: at most what one read brought along with the head is copied, once. Failure: kFixInput
// means that the bytes cannot be followed any further; answer ERROR and close.
//
//   for (;;) {
//     while ((step = reader.next()).ok() && *step != Step::kNeedMore) {
//       kMessage:   reader.message() is whole, its CRC right
//       kFrame:     reader.frame() is the head; call receiveFrame(destination) or skipFrame()
//       kFrameDone: the destination is full
//     }
//     reader.commit(socket.readv(reader.buffers()));
//   }

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "common/base/result.h"
#include "common/wire/frame.h"
#include "common/wire/message.h"

namespace logtail::wire {

class MessageReader {
 public:
  enum class Step : uint8_t { kNeedMore, kMessage, kFrame, kFrameDone };

  struct Message {
    MessageType type = MessageType::kPing;
    std::string_view payload;
  };

  MessageReader();

  // No payload beyond this is accepted from now on (before HELLO a small one will do).
  void setMaxPayload(size_t bytes) { maxPayload_ = bytes; }

  // Where the next bytes of the connection go, in this order; the second span may be empty. Valid
  // until commit(). Call it after next() said kNeedMore only.
  std::array<std::span<char>, 2> buffers();
  void commit(size_t bytes);

  // What the bytes so far hold. A view given before is gone.
  base::Result<Step> next();

  const Message& message() const { return message_; }  // after kMessage, until next()
  const FrameHead& frame() const { return frame_; }    // after kFrame, until the next kFrame

  // After kFrame: `destination` takes the units, frame().bytes of them; it must live until
  // kFrameDone, or until this reader dies.
  void receiveFrame(char* destination);
  void skipFrame();

  uint64_t skippedMessages() const { return skippedMessages_; }  // of unknown, not critical types
  size_t bufferBytes() const { return capacity_; }

 private:
  enum class State : uint8_t { kHeader, kPayload, kFrameWaits, kFrameBody, kSkip };

  size_t held() const { return end_ - begin_; }
  void makeRoom(size_t bytes);
  base::Result<Step> header();
  base::Result<Step> payload();
  base::Result<Step> frameHead();
  bool takeFrameBytes();
  base::Result<bool> skipBytes();

  std::unique_ptr<char[]> buffer_;
  size_t capacity_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t maxPayload_ = kMaxPayload;
  State state_ = State::kHeader;
  MessageHeader header_;
  Message message_;
  FrameHead frame_;
  char* destination_ = nullptr;
  size_t destinationLeft_ = 0;
  size_t skipLeft_ = 0;
  bool skipChecked_ = false;  // whether skipCrc_ is to be compared at the end
  uint32_t skipCrc_ = 0;
  uint64_t skippedMessages_ = 0;
};

}  // namespace logtail::wire
