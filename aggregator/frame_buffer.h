#pragma once
// The memory of one frame's units, from the socket to the disk without a copy.
//
// Flow: AgentSession allocates, MessageReader fills, the queue entry holds it until it is durable.
// Reserved from the process's budget before it is allocated; `window` counts what one agent has
// under way. Both must outlive it or be shared. Any thread, one at a time.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/base/memory_budget.h"

namespace logtail::aggregator {

class FrameBuffer {
 public:
  // Nothing when the budget has no room.
  static std::shared_ptr<FrameBuffer> allocate(size_t bytes, base::MemoryBudget& budget,
                                               std::shared_ptr<std::atomic<uint64_t>> window) {
    base::MemoryBudget::Reservation memory = budget.reserve(bytes);
    if (!memory) return nullptr;
    return std::shared_ptr<FrameBuffer>(
        new FrameBuffer(bytes, std::move(memory), std::move(window)));
  }
  ~FrameBuffer() { window_->fetch_sub(size_, std::memory_order_relaxed); }
  FrameBuffer(const FrameBuffer&) = delete;
  FrameBuffer& operator=(const FrameBuffer&) = delete;

  char* data() { return bytes_.get(); }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  FrameBuffer(size_t bytes, base::MemoryBudget::Reservation memory,
              std::shared_ptr<std::atomic<uint64_t>> window)
      : memory_(std::move(memory)),
        window_(std::move(window)),
        bytes_(std::make_unique_for_overwrite<char[]>(bytes)),
        size_(bytes) {
    window_->fetch_add(size_, std::memory_order_relaxed);
  }

  base::MemoryBudget::Reservation memory_;
  std::shared_ptr<std::atomic<uint64_t>> window_;
  std::unique_ptr<char[]> bytes_;
  size_t size_;
};

}  // namespace logtail::aggregator
