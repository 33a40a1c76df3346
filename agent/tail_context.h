#pragma once
// What a tail worker lends its StreamTailers for one call.

#include <cstdint>
#include <span>

#include "agent/gzip_log_file.h"
#include "agent/log_descriptor.h"
#include "agent/tail_cache.h"
#include "common/base/clock.h"
#include "common/event/unit_writer.h"

namespace logtail::agent {

struct TailCounts {
  uint64_t readBytes = 0;    // handed out by the file for the first time
  uint64_t rereadBytes = 0;  // read again after a start, to rebuild open records
  uint64_t truncations = 0;
  uint64_t lateGenerations = 0;
  uint64_t unreadableFiles = 0;
};

// What a tailer needs of its worker for one turn. `seal` hands the unit on; false when the way is
// blocked: then the turn ends and nothing more may be added.
struct TailContext {
  event::UnitWriter& writer;
  std::span<char> slab;
  TailCache& tails;
  base::Clock& clock;
  TailCounts& counts;
  uint32_t configEpoch;
  base::Nanos grace;  // a rotated file's end is final this long after its successor was seen, or
                      // at once when another one was rotated behind it already
  InflaterPool* inflaters;
  DescriptorQuota* descriptors;
  void (*makeRoom)(void* worker);  // lets files rest that need not be open
  bool (*seal)(void* worker);
  void* worker;
};

}  // namespace logtail::agent
