#pragma once
// What the names under the log root say of a container.
//
// The kubelet links containers/<pod>_<namespace>_<container>-<64 hex>.log to
// pods/<namespace>_<pod>_<uid>/<container>/<restart>.log (k8s.io/kubernetes,
// pkg/kubelet/kuberuntime/legacy.go and helpers.go). Anyone who can write there chooses the names:
// every part is checked against what Kubernetes allows before it becomes a path, a label or a key.
// Pure; any thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

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
  kNoLogFile,        // no `….log`: not ours
  kMalformedLink,    // not <pod>_<namespace>_<container>-<64 hex>
  kMalformedTarget,  // not …/<namespace>_<pod>_<uid>/<container>/<n>.log
  kBadPart,          // a name, UID or restart that Kubernetes would not accept
  kMismatch,         // link and target speak of different containers
  kCount,
};
inline constexpr size_t kNameErrors = static_cast<size_t>(NameError::kCount);
const char* name(NameError error);

// Sets `out`; unchanged on an error. Of `target` only the last three parts count: `out.directory`
// is
// "<logRoot>/pods/<namespace>_<pod>_<uid>/<container>", so that no link leads out of the log root
// and a log root mounted elsewhere is followed.
NameError parseContainerLink(std::string_view linkName, std::string_view target,
                             std::string_view logRoot, ContainerLog& out);

// "<logRoot>/pods/<namespace>_<pod>_<uid>/<container>".
std::string logDirectoryOf(std::string_view logRoot, std::string_view namespaceName,
                           std::string_view pod, std::string_view podUid,
                           std::string_view container);

}  // namespace logtail::agent
