#pragma once
// A configuration file as a plain tree, with the line of everything, for the tables to read.
// Flow: YAML bytes -> parseDocument -> Node -> Table<T>::read -> T. Nodes own their text; a tree
// belongs to whoever parsed it. Any thread.
//
// Refused rather than obeyed, each with its line: more than 1 MiB, nesting below 24 levels, more
// than 100,000 values, anchors and aliases, tags, a second document, a key given twice.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/units.h"

namespace logtail::config {

inline constexpr base::Bytes kMaxFileSize{1 << 20};
inline constexpr int kMaxDepth = 24;
inline constexpr int kMaxNodes = 100'000;

struct Node {
  enum class Kind : uint8_t { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  int line = 1;      // where the value starts, from 1
  int keyLine = 1;   // where its key stands, when it is an entry of a map
  std::string key;   // empty in a list
  std::string text;  // of a scalar, after substitution
  std::vector<Node> children;

  const Node* find(std::string_view name) const;
};

// The value of an environment variable; nothing when it is not set. Tests give their own.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment processEnvironment();

// `fileName` only names the file in messages. ${NAME} and ${NAME:-default} are replaced in scalars,
// once and after the YAML was read, so that a value cannot bring in structure; $${ stands for ${.
base::Result<Node> parseDocument(std::string_view yaml, const std::string& fileName,
                                 const Environment& environment);

// The one form of every configuration error: `file:line: path: value "x": expected y`. Control
// characters in the value are escaped and a long one is cut, so that it stays one line. `remark`
// follows the value in brackets.
base::Error configError(const std::string& fileName, int line, const std::string& path,
                        std::string_view value, const std::string& expected,
                        std::string_view remark = {});

// "a" + "b" = "a.b"; a path below nothing is the name itself.
std::string joinPath(const std::string& path, std::string_view name);

}  // namespace logtail::config
