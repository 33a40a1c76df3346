#pragma once
// Which containers the node has: the links in LOGROOT/containers, and what came and went of them.
//
// Flow: InotifyWatcher -> scan() -> TailWorker adds and ends StreamTailers. A scan reads the names;
// only a link it has not met yet is read itself, so that 10,000 of them cost one listing. Owned by
// a tail worker; its thread. Names that are no container's are counted once and left alone; links
// whose directory is gone are listed like any other, for the worker to find out.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "agent/container_path.h"
#include "common/base/result.h"

namespace logtail::agent {

class ContainerDirectory {
 public:
  struct Changes {
    std::vector<ContainerLog> added;
    std::vector<ContainerLog> removed;
  };
  struct Counts {
    std::array<uint64_t, kNameErrors> malformed{};  // by NameError; kNoLogFile is not counted
    uint64_t scans = 0;
    uint64_t linksRead = 0;
  };

  // `path` is LOGROOT/containers; pods/ is looked for beside it. It need not be there yet.
  explicit ContainerDirectory(std::string path);

  // What came and went since the last scan; the first one returns all there is. Links that lead to
  // the same restart of a container count as one. kNotFound without the directory, as other errors:
  // nothing changed, the next scan that succeeds makes up for it.
  base::Result<Changes> scan();

  // The next scan finds this container again, as if it came then.
  void forget(const ContainerLog& log);

  const std::string& path() const { return path_; }
  size_t found() const { return instances_.size(); }  // restarts of containers, by the last scan
  uint64_t malformedNames() const;
  const Counts& counts() const { return counts_; }

 private:
  struct Link {
    uint64_t inode = 0;
    uint64_t scan = 0;      // the last one that met it
    uint64_t instance = 0;  // hash of directory and restart; 0: no container's
    std::string target;     // to name it again when it goes
  };
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };
  using Links = std::unordered_map<std::string, Link, NameHash, std::equal_to<>>;

  void meet(int directory, const char* linkName, uint64_t inode, Changes& changes);
  void take(const std::string& linkName, Link& link, std::string target, Changes& changes);
  void leave(const std::string& linkName, const Link& link, Changes& changes);

  const std::string path_;
  const std::string logRoot_;
  Links links_;
  std::unordered_map<uint64_t, uint32_t> instances_;  // links that lead to each
  Counts counts_;
};

}  // namespace logtail::agent
