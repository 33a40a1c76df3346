#include "agent/frame_window.h"

#include <algorithm>
#include <string>

namespace logtail::agent {

bool FrameWindow::offer(SealedUnit&& unit) {
  const uint64_t bytes = unit.bytes.size();
  LOGTAIL_ASSERT(bytes <= event::kMaxUnitBytes);
  if (closed_ || awaitsReopen_ || (heldBytes_ > 0 && heldBytes_ + bytes > highBytes_)) {
    refused_ = true;
    return false;
  }
  heldBytes_ += bytes;
  waitingBytes_ += bytes;
  for (const event::BlockHeader& block : unit.blocks) ++pendingBlocks_[block.stream];
  waiting_.push_back(std::move(unit));
  return true;
}

bool FrameWindow::takeRoom() {
  if (!refused_ || closed_ || awaitsReopen_ || heldBytes_ > highBytes_ / 2) return false;
  refused_ = false;
  return true;
}

uint64_t FrameWindow::nextSequence() const {
  return frames_.empty() ? lastSequence_ + 1 : frames_.front()->sequence;
}

base::Status FrameWindow::connected(uint64_t ackedSequence, uint64_t windowBytes,
                                    std::vector<FramePtr>& acked) {
  LOGTAIL_TRY(checkSent(ackedSequence, "HELLO_OK"));
  release(ackedSequence, acked);
  connected_ = true;
  windowBytes_ = windowBytes;
  return {};
}

void FrameWindow::disconnected() {
  connected_ = false;
  cursor_ = 0;
  inFlightBytes_ = 0;
  notBefore_.reset();
}

FramePtr FrameWindow::next(base::Nanos now) {
  if (!connected_ || (notBefore_ && now < *notBefore_)) return nullptr;
  notBefore_.reset();
  if (cursor_ == frames_.size()) pack();
  if (cursor_ == frames_.size()) return nullptr;
  const std::shared_ptr<Frame>& frame = frames_[cursor_];
  if (inFlightBytes_ > 0 && inFlightBytes_ + frame->bytes > windowBytes_) return nullptr;
  ++cursor_;
  inFlightBytes_ += frame->bytes;
  ++counts_.sentFrames;
  counts_.sentBytes += frame->bytes;
  if (frame->sequence <= sentUpTo_) {
    ++counts_.resentFrames;
    counts_.resentBytes += frame->bytes;
  }
  sentUpTo_ = std::max(sentUpTo_, frame->sequence);
  return frame;
}

// Makes one frame of what waits. Not done while the aggregator's window is full: what comes until
// then may still go along.
void FrameWindow::pack() {
  if (waiting_.empty() || isGathering()) return;
  if (inFlightBytes_ > 0 && inFlightBytes_ >= windowBytes_) return;
  auto frame = std::make_shared<Frame>();
  uint64_t bytes = 0;
  while (!waiting_.empty() &&
         (bytes == 0 || bytes + waiting_.front().bytes.size() <= kMaxUnitBytesOfFrame)) {
    bytes += waiting_.front().bytes.size();
    frame->units.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  waitingBytes_ -= bytes;
  frame->sequence = ++lastSequence_;
  frame->bytes = wire::kFramePrefixBytes + bytes;
  wire::storeFramePrefix(
      {frame->sequence, static_cast<uint32_t>(frame->units.size()), static_cast<uint32_t>(bytes)},
      frame->prefix.data());
  frames_.push_back(std::move(frame));
}

base::Status FrameWindow::checkSent(uint64_t sequence, const char* what) const {
  if (sequence <= sentUpTo_) return {};
  return {base::Errc::kFixInput, std::string(what) + " of frame " + std::to_string(sequence) +
                                     ", which was not sent; the last one is " +
                                     std::to_string(sentUpTo_)};
}

base::Status FrameWindow::ack(uint64_t sequence, std::vector<FramePtr>& acked) {
  LOGTAIL_TRY(checkSent(sequence, "ACK"));
  release(sequence, acked);
  return {};
}

void FrameWindow::release(uint64_t upTo, std::vector<FramePtr>& acked) {
  while (!frames_.empty() && frames_.front()->sequence <= upTo) {
    const Frame& frame = *frames_.front();
    if (cursor_ > 0) {
      --cursor_;
      inFlightBytes_ -= frame.bytes;
    }
    ++counts_.ackedFrames;
    counts_.ackedBytes += frame.bytes;
    heldBytes_ -= frame.bytes - wire::kFramePrefixBytes;
    for (const SealedUnit& unit : frame.units) {
      for (const event::BlockHeader& block : unit.blocks) {
        const auto pending = pendingBlocks_.find(block.stream);
        if (--pending->second == 0) pendingBlocks_.erase(pending);
      }
    }
    acked.push_back(std::move(frames_.front()));
    frames_.pop_front();
  }
}

base::Status FrameWindow::nack(uint64_t sequence, base::Nanos notBefore) {
  LOGTAIL_TRY(checkSent(sequence, "NACK"));
  if (frames_.empty() || sequence < frames_.front()->sequence) return {};  // acknowledged meanwhile
  const auto index = static_cast<size_t>(sequence - frames_.front()->sequence);
  while (cursor_ > index) inFlightBytes_ -= frames_[--cursor_]->bytes;
  notBefore_ = notBefore;
  return {};
}

void FrameWindow::reset() {
  counts_.droppedUnits += waiting_.size();
  for (const auto& frame : frames_) counts_.droppedUnits += frame->units.size();
  waiting_.clear();
  frames_.clear();
  pendingBlocks_.clear();
  disconnected();
  lastSequence_ = 0;
  sentUpTo_ = 0;
  heldBytes_ = waitingBytes_ = 0;
  awaitsReopen_ = true;
}

uint32_t FrameWindow::pendingBlocks(const event::StreamKey& stream) const {
  const auto found = pendingBlocks_.find(stream);
  return found == pendingBlocks_.end() ? 0 : found->second;
}

std::optional<int64_t> FrameWindow::oldestReadNanos() const {
  if (!frames_.empty()) return frames_.front()->units.front().readNanos;
  if (!waiting_.empty()) return waiting_.front().readNanos;
  return std::nullopt;
}

}  // namespace logtail::agent
