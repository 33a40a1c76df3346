#include "agent/unit_handover.h"

#include <utility>

namespace logtail::agent {

UnitHandover::UnitHandover(int compressionLevel, UnitSink& sink, base::MemoryBudget& budget,
                           TailWorkerCounts& counts)
    : sink_(sink), budget_(budget), counts_(counts), writer_(compressionLevel) {}

bool UnitHandover::seal() {
  if (blocked_) return false;
  if (writer_.empty() || (sealOnce() && offer())) return true;
  blocked_ = true;
  counts_.blocked.fetch_add(1, std::memory_order_relaxed);
  return false;
}

bool UnitHandover::unblock() {
  if (!blocked_) return true;
  if (!pending_ && !writer_.empty() && !sealOnce()) return false;
  if (pending_ && !offer()) return false;
  blocked_ = false;
  return true;
}

// The raw size bounds the sealed one, and is what is reserved before the memory is taken.
bool UnitHandover::sealOnce() {
  const size_t headers = writer_.blocks().size();
  const size_t most = event::kUnitHeaderBytes + headers * event::kMaxBlockHeader +
                      writer_.rawBytes() + headers * sizeof(event::BlockHeader);
  SealedUnit unit;
  unit.memory = budget_.reserve(most);
  if (!unit.memory) return false;
  for (const event::BlockHeader& block : writer_.blocks()) count(block);
  unit.blocks = writer_.blocks();
  unit.readNanos = unit.blocks.front().observedNanos;
  writer_.seal(unit.bytes);
  const size_t needed = unit.bytes.capacity() + headers * sizeof(event::BlockHeader);
  if (auto exact = budget_.reserve(needed)) unit.memory = std::move(exact);
  counts_.units.fetch_add(1, std::memory_order_relaxed);
  counts_.unitBytes.fetch_add(unit.bytes.size(), std::memory_order_relaxed);
  pending_ = std::move(unit);
  return true;
}

bool UnitHandover::offer() {
  if (!sink_.offer(*pending_)) return false;
  pending_.reset();
  return true;
}

void UnitHandover::discard() {
  writer_.discard();
  pending_.reset();
  blocked_ = false;
}

void UnitHandover::count(const event::BlockHeader& block) {
  counts_.records.fetch_add(block.records, std::memory_order_relaxed);
  counts_.recordBytes.fetch_add(block.recordBytes, std::memory_order_relaxed);
  counts_.lostBytes.fetch_add(block.lostBytes, std::memory_order_relaxed);
  if (block.lossReason == event::LossReason::kGivenUp) {
    counts_.givenUpBytes.fetch_add(block.lostBytes, std::memory_order_relaxed);
  }
  for (const event::DropCount& drop : block.drops) {
    counts_.dropRecords.fetch_add(drop.records, std::memory_order_relaxed);
    counts_.dropBytes.fetch_add(drop.bytes, std::memory_order_relaxed);
  }
}

}  // namespace logtail::agent
