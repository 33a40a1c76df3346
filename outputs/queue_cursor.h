#pragma once
// A cursor counts only for the queue it was taken in: of another one positions cannot be compared,
// and its streams' counts begin anew with the ledger (docs/wal-format.md, "Position").

#include <string>

#include "common/base/log.h"
#include "outputs/manifest_format.h"

namespace logtail::outputs {

// Forgets position and counts of another queue; what the state says of files stays.
inline void startOverForQueue(uint64_t queueId, const std::string& output, ManifestState& state) {
  if (!state.progress.position || state.progress.position->queueId == queueId) return;
  base::logWarn("output " + output +
                ": its cursor is of another queue; it begins at the oldest entry of this one");
  state.progress = {};
}

}  // namespace logtail::outputs
