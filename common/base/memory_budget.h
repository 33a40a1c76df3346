#pragma once
// One byte budget a process: memory is reserved before it is used (invariant 4).
//
// reserve() either gives the bytes or says no at once; who is told no stops its source. A
// Reservation gives its bytes back when it dies and must not outlive the budget. Any thread.

#include <atomic>
#include <cstdint>
#include <utility>

namespace logtail::base {

class MemoryBudget {
 public:
  explicit MemoryBudget(uint64_t limitBytes) : limit_(limitBytes) {}

  // RAII share of the budget; empty when made without one.
  class Reservation {
   public:
    Reservation() = default;
    Reservation(MemoryBudget* budget, uint64_t bytes) : budget_(budget), bytes_(bytes) {}
    Reservation(Reservation&& other) noexcept
        : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
    Reservation& operator=(Reservation&& other) noexcept {
      release();
      budget_ = std::exchange(other.budget_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
      return *this;
    }
    ~Reservation() { release(); }
    uint64_t bytes() const { return bytes_; }
    // Takes `more` bytes on top; false and unchanged when they are not to be had.
    [[nodiscard]] bool grow(MemoryBudget& budget, uint64_t more) {
      Reservation step = budget.reserve(more);
      if (!step) return false;
      budget_ = &budget;
      bytes_ += std::exchange(step.bytes_, 0);
      step.budget_ = nullptr;
      return true;
    }
    explicit operator bool() const { return budget_ != nullptr; }
    void release() {
      if (budget_ != nullptr) budget_->used_.fetch_sub(bytes_, std::memory_order_relaxed);
      budget_ = nullptr;
      bytes_ = 0;
    }

   private:
    MemoryBudget* budget_ = nullptr;
    uint64_t bytes_ = 0;
  };

  // An empty Reservation when the bytes are not to be had.
  [[nodiscard]] Reservation reserve(uint64_t bytes) {
    uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ || used > limit_ - bytes) {
        refused_.fetch_add(1, std::memory_order_relaxed);
        return {};
      }
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return {this, bytes};
  }

  uint64_t limit() const { return limit_; }
  uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  const uint64_t limit_;
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace logtail::base
