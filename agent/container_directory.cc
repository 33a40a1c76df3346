#include "agent/container_directory.h"

#include <dirent.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "common/base/checksum.h"
#include "common/base/file_system.h"

namespace logtail::agent {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// Nothing when the link has gone since it was listed, or is none.
std::optional<std::string> readLink(int directory, const char* linkName) {
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(directory, linkName, target, sizeof target);
  if (length < 0) return std::nullopt;
  return std::string(target, static_cast<size_t>(length));
}

uint64_t instanceOf(const ContainerLog& log) {
  const uint64_t hash = base::hash64(log.directory + "/" + std::to_string(log.restart));
  return hash == 0 ? 1 : hash;
}

}  // namespace

ContainerDirectory::ContainerDirectory(std::string path)
    : path_(std::move(path)), logRoot_(base::directoryOf(path_)) {}

base::Result<ContainerDirectory::Changes> ContainerDirectory::scan() {
  const std::unique_ptr<DIR, CloseDirectory> opened(::opendir(path_.c_str()));
  if (opened == nullptr) return base::errnoError(errno, "list " + path_);
  ++counts_.scans;
  Changes changes;
  errno = 0;
  while (const dirent* entry = ::readdir(opened.get())) {
    if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) {
      meet(::dirfd(opened.get()), entry->d_name, entry->d_ino, changes);
    }
    errno = 0;
  }
  // Half a listing must not look as if the other half had gone.
  const bool whole = errno == 0;
  for (auto at = links_.begin(); whole && at != links_.end();) {
    if (at->second.scan == counts_.scans) {
      ++at;
      continue;
    }
    leave(at->first, at->second, changes);
    at = links_.erase(at);
  }
  return changes;
}

void ContainerDirectory::meet(int directory, const char* linkName, uint64_t inode,
                              Changes& changes) {
  auto at = links_.find(std::string_view(linkName));
  if (at != links_.end() && at->second.inode == inode) {
    at->second.scan = counts_.scans;
    return;
  }
  auto target = readLink(directory, linkName);
  if (!target) return;
  ++counts_.linksRead;
  if (at == links_.end()) at = links_.emplace(linkName, Link()).first;
  // The new target is taken before the old one is left: a link that was made again, or that says
  // the same in other words, changes nothing.
  const Link old = std::exchange(at->second, Link{inode, counts_.scans, 0, {}});
  take(at->first, at->second, std::move(*target), changes);
  leave(at->first, old, changes);
}

void ContainerDirectory::take(const std::string& linkName, Link& link, std::string target,
                              Changes& changes) {
  ContainerLog log;
  const NameError error = parseContainerLink(linkName, target, logRoot_, log);
  link.target = std::move(target);
  if (error != NameError::kNone) {
    if (error != NameError::kNoLogFile) ++counts_.malformed[static_cast<size_t>(error)];
    return;
  }
  link.instance = instanceOf(log);
  if (++instances_[link.instance] == 1) changes.added.push_back(std::move(log));
}

void ContainerDirectory::leave(const std::string& linkName, const Link& link, Changes& changes) {
  if (link.instance == 0) return;
  const auto instance = instances_.find(link.instance);
  if (--instance->second > 0) return;
  instances_.erase(instance);
  ContainerLog log;
  (void)parseContainerLink(linkName, link.target, logRoot_, log);
  changes.removed.push_back(std::move(log));
}

void ContainerDirectory::forget(const ContainerLog& log) {
  const uint64_t instance = instanceOf(log);
  instances_.erase(instance);
  std::erase_if(links_, [&](const auto& link) { return link.second.instance == instance; });
}

uint64_t ContainerDirectory::malformedNames() const {
  return std::accumulate(counts_.malformed.begin(), counts_.malformed.end(), uint64_t{0});
}

}  // namespace logtail::agent
