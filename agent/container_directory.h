#pragma once
// Which containers the node has: the links LOGROOT/containers/<pod>_<ns>_<container>-<id>.log and
// what they lead to, pods/<ns>_<pod>_<uid>/<container>/<restart>.log.
//
// Flow: InotifyWatcher -> scan() -> TailWorker adds and ends StreamTailers. Owned by a tail worker;
// its thread. Names that are no container's are counted once and left alone.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/result.h"

namespace logtail::agent {

struct ContainerLog {
  std::string linkName;
  std::string pod;
  std::string namespaceName;
  std::string container;
  std::string containerId;
  std::string podUid;
  uint32_t restart = 0;
  std::string directory;  // of the log files
};

enum class NameError : uint8_t {
  kNone,
  kNoLogFile,        // no `….log`: not ours, not counted
  kMalformedLink,    // not <pod>_<ns>_<container>-<64 hex>
  kMalformedTarget,  // not …/<n>.log
  kMismatch,         // link and target speak of different containers
};

NameError parseContainerLink(std::string_view linkName, std::string_view target, ContainerLog& out);

class ContainerDirectory {
 public:
  struct Changes {
    std::vector<ContainerLog> added;
    std::vector<ContainerLog> removed;
  };

  explicit ContainerDirectory(std::string path) : path_(std::move(path)) {}

  // What came and went since the last scan; the first one returns all there is.
  base::Result<Changes> scan();

  const std::string& path() const { return path_; }
  uint64_t malformedNames() const { return malformed_; }

 private:
  struct Known {
    ContainerLog log;
    bool valid = false;
    bool seen = false;
  };

  const std::string path_;
  std::unordered_map<std::string, Known> known_;
  uint64_t malformed_ = 0;
};

}  // namespace logtail::agent
