#pragma once
// A cursor counts only for the queue it was taken in: of another one positions cannot be compared,
// and its streams' counts begin anew with the ledger (docs/wal-format.md, "Position").

#include <string>

#include "common/base/log.h"
#include "outputs/manifest_format.h"

namespace logtail::outputs {

// Forgets position and counts of another queue; what the state says of files stays. The output
// then begins at the oldest entry, whatever its configuration says of a first start: it is none.
// The same when damage took the position (`uncertain`).
inline void startOverForQueue(uint64_t queueId, const std::string& output, bool uncertain,
                              ManifestState& state) {
  Progress& progress = state.progress;
  if (progress.position ? progress.position->queueId == queueId : !uncertain) return;
  base::logWarn("output " + output + ": its cursor is " +
                (progress.position ? "of another queue" : "lost to damage") +
                "; it begins at the oldest entry");
  progress = {};
  progress.position = wal::Position{queueId, 0, 0, 0, 0};
}

}  // namespace logtail::outputs
