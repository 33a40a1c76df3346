#pragma once
// A unit on its way from a tail worker to the network thread, with what its acknowledgement means.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/base/memory_budget.h"
#include "common/event/block.h"

namespace logtail::agent {

struct SealedUnit {
  std::string bytes;                       // as it goes over the wire
  std::vector<event::BlockHeader> blocks;  // its block headers, in order
  int64_t readNanos = 0;                   // wall clock of the oldest read in it
  base::MemoryBudget::Reservation memory;  // held until the unit is acknowledged or dropped
};

// Block headers of an acknowledged unit. They share its memory, and its reservation with it.
using AckedBlocks = std::shared_ptr<const std::vector<event::BlockHeader>>;

}  // namespace logtail::agent
