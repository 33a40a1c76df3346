#pragma once
// What a crash keeps of everything that was not synced, decided by a seed. Thread: its owner's.
// Seed 0 keeps nothing, seed 1 everything; every other seed keeps each thing by chance, some seeds
// little of it, some most.

#include <cstdint>
#include <random>

namespace logtail::test {

class CrashDice {
 public:
  explicit CrashDice(uint64_t seed) : random_(seed) {
    if (seed == 0) {
      chance_ = 0;
    } else if (seed == 1) {
      chance_ = 8;
    } else {
      constexpr uint64_t kChances[] = {4, 7, 1};
      chance_ = kChances[seed % 3];
    }
  }

  bool keep() { return below(8) < chance_; }
  // How many of `n` ordered things are kept: a prefix.
  uint64_t cut(uint64_t n) {
    if (chance_ == 0) return 0;
    if (chance_ == 8 || keep()) return n;
    return below(n + 1);
  }
  // Whether a block that was allocated but not written shows what the disk held before.
  bool stale() { return chance_ != 0 && chance_ != 8 && below(4) == 0; }
  uint64_t next() { return random_(); }

 private:
  uint64_t below(uint64_t n) { return random_() % n; }

  std::mt19937_64 random_;
  uint64_t chance_ = 0;  // of eight
};

}  // namespace logtail::test
