#pragma once
// What podsim wrote, stream by stream: ROOT/podsim.manifest, JSON lines; podcheck's truth.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace logtail::bench {

// One channel of one container instance.
struct StreamCount {
  std::string namespaceName;
  std::string pod;
  std::string podUid;
  std::string container;
  std::string containerId;
  uint32_t restart = 0;
  char channel = 'o';
  uint64_t lines = 0;
  uint64_t firstSequence = 0;
  uint64_t lastSequence = 0;  // meaningless without lines
  bool alive = false;         // was still running when podsim stopped: --resume goes on with it
};

std::string manifestPath(const std::string& root);

// kNotFound without a manifest, kFixInput with the line that is none.
base::Result<std::vector<StreamCount>> readManifest(const std::string& root);

// Replaces the manifest, atomically.
base::Status writeManifest(const std::string& root, const std::vector<StreamCount>& streams);

}  // namespace logtail::bench
