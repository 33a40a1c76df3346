#include "common/config/spec.h"

#include <algorithm>
#include <numeric>

namespace logtail::config {
namespace {

constexpr size_t kMaxId = 63;

size_t editDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row[b.size()];
}

// What an unknown key should have been: the nearest name first, when one is near.
std::string knownKeys(const StructSpec& spec, std::string_view extraKey, std::string_view wrong) {
  std::vector<std::string> names;
  for (const FieldSpec& field : spec.fields) names.push_back(field.name);
  if (!extraKey.empty()) names.emplace_back(extraKey);
  std::string text = "a key that is " + oneOf(names);
  for (const std::string& name : names) {
    if (editDistance(name, wrong) <= 2) return text + " (did you mean \"" + name + "\"?)";
  }
  return text;
}

// The child that `path` begins with, which is cut off it. Ids may have dots, so the longest key
// that fits is meant.
const Node* takeStep(const Node& node, std::string_view& path) {
  const Node* found = nullptr;
  size_t length = 0;
  for (size_t i = 0; i < node.children.size(); ++i) {
    const Node& child = node.children[i];
    const std::string step =
        node.kind == Node::Kind::kList ? "[" + std::to_string(i) + "]" : child.key;
    if (!path.starts_with(step) || step.size() <= length) continue;
    const std::string_view rest = path.substr(step.size());
    if (!rest.empty() && rest[0] != '.' && rest[0] != '[') continue;
    found = &child;
    length = step.size();
  }
  path.remove_prefix(length);
  if (found != nullptr && path.starts_with('.')) path.remove_prefix(1);
  return found;
}

// Whether `path` has the name of a secret in it, wherever that stands below `spec`: rather hidden
// once too often than shown.
bool mayBeSecret(const StructSpec& spec, std::string_view path) {
  for (const FieldSpec& field : spec.fields) {
    const size_t at = field.secret ? path.find(field.name) : std::string_view::npos;
    if (at != std::string_view::npos) return true;
    for (const auto& nested : field.nested) {
      if (mayBeSecret(*nested, path)) return true;
    }
  }
  return false;
}

// The error of a rule. A field that the file does not give has its default, and the line of what
// the file gives around it.
base::Error ruleError(const StructSpec& spec, const Place& place, const Node& node,
                      const Problem& problem) {
  const Node* at = &node;
  std::string_view path = problem.path;
  while (!path.empty()) {
    const Node* next = takeStep(*at, path);
    if (next == nullptr) break;
    at = next;
  }
  Place blamed = place.at(problem.path);
  blamed.hidden = blamed.hidden || mayBeSecret(spec, problem.path);
  if (path.empty() && at->kind == Node::Kind::kScalar) return blamed.error(*at, problem.expected);
  return configError(place.file, at->line, blamed.path, blamed.hidden ? "***" : problem.value,
                     problem.expected, path.empty() ? "" : "the default");
}

std::string counted(size_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

base::Status readFields(const StructSpec& spec, const Place& place, const Node& node,
                        void* object) {
  for (const FieldSpec& field : spec.fields) {
    const Node* child = node.find(field.name);
    Place at = place.at(field.name);
    at.hidden = place.hidden || field.secret;
    if (child != nullptr) {
      LOGTAIL_TRY(field.read(at, *child, object));
    } else if (field.required) {
      return configError(place.file, node.line, at.path, "", field.type() + "; it must be given");
    }
  }
  return {};
}

}  // namespace

base::Error Place::error(const Node& node, const std::string& expected) const {
  const size_t count = node.children.size();
  std::string value = node.text;
  if (node.kind == Node::Kind::kList) value = "[" + counted(count, "entry", "entries") + "]";
  if (node.kind == Node::Kind::kMap) value = "{" + counted(count, "key", "keys") + "}";
  if (hidden) value = "***";
  return configError(file, node.line, path, value, expected);
}

const FieldSpec* StructSpec::find(std::string_view fieldName) const {
  for (const FieldSpec& field : fields) {
    if (field.name == fieldName) return &field;
  }
  return nullptr;
}

base::Status readStruct(const StructSpec& spec, const Place& place, const Node& node, void* object,
                        std::string_view extraKey) {
  if (node.kind != Node::Kind::kMap && node.kind != Node::Kind::kNull) {
    return place.error(node, "a map of settings");
  }
  for (const Node& child : node.children) {
    if (spec.find(child.key) != nullptr || child.key == extraKey) continue;
    Place at = place.at(child.key);
    Node key = child;
    key.line = child.keyLine;
    return at.error(key, knownKeys(spec, extraKey, child.key));
  }
  LOGTAIL_TRY(readFields(spec, place, node, object));
  for (const auto& rule : spec.rules) {
    const std::optional<Problem> problem = rule(object);
    if (problem) return ruleError(spec, place, node, *problem);
  }
  return {};
}

base::Status checkContainer(const Place& place, const Node& node, Node::Kind kind,
                            const Range<size_t>& count, const std::string& type) {
  const bool fits = node.kind == kind || node.kind == Node::Kind::kNull;
  if (fits && count.contains(node.children.size())) return {};
  return place.error(node, type);
}

base::Status checkId(const Place& map, const Node& entry) {
  const auto isIdByte = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  };
  const std::string& id = entry.key;
  if (!id.empty() && id.size() <= kMaxId && id[0] != '.' &&
      std::all_of(id.begin(), id.end(), isIdByte)) {
    return {};
  }
  return configError(map.file, entry.keyLine, map.path, id,
                     "an id of 1 to 63 letters, digits, '_', '-' or '.'");
}

base::Result<size_t> pickVariant(const Place& place, const Node& entry,
                                 const std::vector<std::shared_ptr<const StructSpec>>& specs) {
  const Node* type = entry.find("type");
  std::vector<std::string> names;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i]->name == (type == nullptr ? entry.key : type->text)) return i;
    names.push_back(specs[i]->name);
  }
  if (type != nullptr) return place.at("type").error(*type, oneOf(names));
  return configError(place.file, entry.keyLine, place.at("type").path, entry.key,
                     oneOf(names) + "; without `type` the id is the type");
}

std::string oneOf(const std::vector<std::string>& names) {
  std::string text = "one of ";
  for (size_t i = 0; i < names.size(); ++i) text.append(i == 0 ? "" : ", ").append(names[i]);
  return text;
}

}  // namespace logtail::config
