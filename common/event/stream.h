#pragma once
// A stream: one container instance's log. Described once, referred to by its key after that.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/checksum.h"
#include "common/base/result.h"

namespace logtail::event {

// XXH3-128 of the canonical identity (docs/wire-format.md, "Stream key"); the same on every machine
// and after every restart.
struct StreamKey {
  base::Hash128 hash;
  auto operator<=>(const StreamKey&) const = default;
};

struct StreamKeyHash {
  size_t operator()(const StreamKey& key) const { return key.hash.low; }
};

// 32 hexadecimal digits.
std::string toString(const StreamKey& key);

struct StreamDescription {
  std::string cluster;
  std::string node;
  std::string namespaceName;
  std::string namespaceUid;
  std::string pod;
  std::string podUid;
  std::string container;
  std::string containerId;
  uint32_t restart = 0;
  uint32_t tenant = 0;
  std::string image;
  std::string owner;
  std::string zone;
  std::vector<std::pair<std::string, std::string>> labels;       // sorted by key
  std::vector<std::pair<std::string, std::string>> annotations;  // sorted by key

  bool operator==(const StreamDescription&) const = default;
  // Of cluster, node, pod UID, container and restart: what makes the instance this one.
  StreamKey key() const;
};

inline constexpr size_t kMaxStreamDescription = 64 * 1024;  // encoded bytes

// Tagged fields; a decoder skips tags it does not know. kFixInput on malformed bytes.
void encode(const StreamDescription& description, std::string& out);
base::Result<StreamDescription> decodeStreamDescription(std::string_view bytes);

}  // namespace logtail::event
