#include "agent/container_directory.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>

namespace logtail::agent {
namespace {

constexpr size_t kContainerId = 64;

bool isHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
}

bool parseRestart(std::string_view fileName, uint32_t& out) {
  if (!fileName.ends_with(".log")) return false;
  fileName.remove_suffix(4);
  const auto [end, failed] =
      std::from_chars(fileName.data(), fileName.data() + fileName.size(), out);
  return failed == std::errc() && end == fileName.data() + fileName.size();
}

// Takes the part behind the last '/' off `path`.
std::string_view takeLast(std::string_view& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view last = path.substr(slash + 1);
  path.remove_suffix(path.size() - slash);
  return last;
}

}  // namespace

NameError parseContainerLink(std::string_view linkName, std::string_view target,
                             ContainerLog& out) {
  if (!linkName.ends_with(".log")) return NameError::kNoLogFile;
  std::string_view name = linkName.substr(0, linkName.size() - 4);
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || name.size() - dash - 1 != kContainerId ||
      !isHex(name.substr(dash + 1))) {
    return NameError::kMalformedLink;
  }
  out.containerId = name.substr(dash + 1);
  name = name.substr(0, dash);
  // Names of pods, namespaces and containers hold no '_' (RFC 1123 labels and subdomains).
  const size_t first = name.find('_');
  const size_t second = first == std::string_view::npos ? first : name.find('_', first + 1);
  if (second == std::string_view::npos || name.find('_', second + 1) != std::string_view::npos ||
      first == 0 || second == first + 1 || second + 1 == name.size()) {
    return NameError::kMalformedLink;
  }
  out.pod = name.substr(0, first);
  out.namespaceName = name.substr(first + 1, second - first - 1);
  out.container = name.substr(second + 1);

  std::string_view path = target;
  if (!parseRestart(takeLast(path), out.restart)) return NameError::kMalformedTarget;
  out.directory = path;
  const std::string_view container = takeLast(path);
  const std::string_view pod = takeLast(path);
  const std::string prefix = out.namespaceName + "_" + out.pod + "_";
  if (container != out.container || !pod.starts_with(prefix)) return NameError::kMismatch;
  out.podUid = pod.substr(prefix.size());
  if (out.podUid.empty() || out.podUid.find('_') != std::string::npos) return NameError::kMismatch;
  out.linkName = linkName;
  return NameError::kNone;
}

base::Result<ContainerDirectory::Changes> ContainerDirectory::scan() {
  DIR* opened = ::opendir(path_.c_str());
  if (opened == nullptr) return base::errnoError(errno, "list " + path_);
  Changes changes;
  for (auto& [name, known] : known_) known.seen = false;
  while (const dirent* entry = ::readdir(opened)) {
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN) continue;
    const auto [at, isNew] = known_.try_emplace(entry->d_name);
    at->second.seen = true;
    if (!isNew) continue;
    char target[PATH_MAX];
    const ssize_t length = ::readlinkat(::dirfd(opened), entry->d_name, target, sizeof target);
    if (length < 0 && errno == ENOENT) {
      known_.erase(at);
      continue;
    }
    std::string absolute(target, length < 0 ? 0 : static_cast<size_t>(length));
    if (!absolute.starts_with('/')) absolute = path_ + "/" + absolute;
    const NameError parsed = parseContainerLink(entry->d_name, absolute, at->second.log);
    at->second.valid = parsed == NameError::kNone;
    if (at->second.valid) {
      changes.added.push_back(at->second.log);
    } else if (parsed != NameError::kNoLogFile) {
      ++malformed_;
    }
  }
  ::closedir(opened);
  for (auto at = known_.begin(); at != known_.end();) {
    if (at->second.seen) {
      ++at;
      continue;
    }
    if (at->second.valid) changes.removed.push_back(std::move(at->second.log));
    at = known_.erase(at);
  }
  return changes;
}

}  // namespace logtail::agent
