#pragma once
// Units on their way: packed into numbered frames, kept until acknowledged, sent again byte for
// byte.
//
// Flow: tail worker -> offer() -> next() -> socket -> ack(). Pure: no input, output or clock of its
// own. Owned by Shipper. Thread: one at a time (Shipper locks). A unit is packed as soon as the
// socket is ready for it; only when kGatherFrames are unacknowledged already it waits for the next
// ACK or for kGatherBytes of company: one frame of four units costs both sides a third of four
// frames. Failure: an aggregator that acknowledges what it was not sent gets kFixInput; nothing
// changes then.

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "agent/sealed_unit.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/wire/frame.h"

namespace logtail::agent {

// Fixed once it was handed out: whoever holds the pointer may send its bytes.
struct Frame {
  uint64_t sequence = 0;
  uint64_t bytes = 0;  // on the wire
  std::array<char, wire::kFramePrefixBytes> prefix{};
  std::vector<SealedUnit> units;
};
using FramePtr = std::shared_ptr<const Frame>;

class FrameWindow {
 public:
  static constexpr uint64_t kDefaultHighBytes = 8 * 1024 * 1024;
  static constexpr uint64_t kMaxUnitBytesOfFrame = 900 * 1024;
  static constexpr size_t kGatherFrames = 2;
  static constexpr uint64_t kGatherBytes = 240 * 1024;

  // Sums since construction; a resent frame counts as sent each time.
  struct Counts {
    uint64_t sentFrames = 0;
    uint64_t sentBytes = 0;
    uint64_t resentFrames = 0;
    uint64_t resentBytes = 0;
    uint64_t ackedFrames = 0;
    uint64_t ackedBytes = 0;
    uint64_t droppedUnits = 0;  // by reset(): read again in the next life
  };

  explicit FrameWindow(uint64_t highBytes = kDefaultHighBytes) : highBytes_(highBytes) {}

  // --- the tail workers' side ---
  // False, and the unit untouched, when the window is full: takeRoom() then says once when less
  // than half of it is. A single unit always finds room in an empty window.
  bool offer(SealedUnit&& unit);
  bool takeRoom();
  // Whether what waits goes along with a later unit, so that nobody has to be woken for it.
  bool isGathering() const {
    return cursor_ == frames_.size() && cursor_ >= kGatherFrames && waitingBytes_ < kGatherBytes;
  }
  void close() { closed_ = true; }  // no more offers: the agent stops

  // --- the connection's side ---
  // The first frame that the next connection will carry.
  uint64_t nextSequence() const;
  // HELLO_OK: forgets frames up to `ackedSequence` and begins with the rest. Frames that became
  // durable are appended to `acked`, here and in ack().
  base::Status connected(uint64_t ackedSequence, uint64_t windowBytes,
                         std::vector<FramePtr>& acked);
  void disconnected();
  // The next frame to write, null when there is none now: nothing waits, the aggregator's window is
  // full, or a NACK's delay runs.
  FramePtr next(base::Nanos now);
  base::Status ack(uint64_t sequence, std::vector<FramePtr>& acked);
  // Everything from `sequence` on goes again, not before `notBefore`.
  base::Status nack(uint64_t sequence, base::Nanos notBefore);
  // When next() may have a frame again without any other event.
  std::optional<base::Nanos> wakeAt() const { return notBefore_; }

  // A new life: drops everything, starts again with sequence 1. Offers are refused until reopen():
  // they would still be cut from the positions of the old life.
  void reset();
  void reopen() { awaitsReopen_ = false; }

  bool empty() const { return frames_.empty() && waiting_.empty(); }
  bool anySent() const { return !frames_.empty() && sentUpTo_ >= frames_.front()->sequence; }
  uint32_t pendingBlocks(const event::StreamKey& stream) const;
  uint64_t heldBytes() const { return heldBytes_; }
  uint64_t inFlightBytes() const { return inFlightBytes_; }
  std::optional<int64_t> oldestReadNanos() const;
  const Counts& counts() const { return counts_; }

 private:
  void pack();
  void release(uint64_t upTo, std::vector<FramePtr>& acked);
  base::Status checkSent(uint64_t sequence, const char* what) const;

  const uint64_t highBytes_;
  std::deque<SealedUnit> waiting_;             // not in a frame yet
  std::deque<std::shared_ptr<Frame>> frames_;  // not acknowledged, sequences without gaps
  std::unordered_map<event::StreamKey, uint32_t, event::StreamKeyHash> pendingBlocks_;
  size_t cursor_ = 0;           // of frames_: the next to send
  uint64_t lastSequence_ = 0;   // given to a frame of this life
  uint64_t sentUpTo_ = 0;       // the highest sequence ever handed out in this life
  uint64_t waitingBytes_ = 0;   // of waiting_
  uint64_t heldBytes_ = 0;      // of units, waiting or in frames
  uint64_t inFlightBytes_ = 0;  // of frames before cursor_
  uint64_t windowBytes_ = 0;    // the aggregator's; 0: not connected
  std::optional<base::Nanos> notBefore_;
  bool connected_ = false;
  bool refused_ = false;
  bool closed_ = false;
  bool awaitsReopen_ = false;
  Counts counts_;
};

}  // namespace logtail::agent
