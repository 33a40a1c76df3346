#pragma once
// A table with its types erased: what reading, rejecting and documenting need to know of a struct.
// Flow: Table<T> (table.h) writes it; spec.cc reads Nodes by it; docs.cc prints it.
// Shared and never changed once a table is read with it. Any thread.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/node.h"
#include "common/config/value_type.h"

namespace logtail::config {

// Where the reader is, for messages.
struct Place {
  const std::string& file;
  std::string path;
  bool hidden = false;  // below a secret: messages do not repeat values

  Place at(std::string_view key) const { return {file, joinPath(path, key), hidden}; }
  Place item(size_t index) const {
    return {file, path + "[" + std::to_string(index) + "]", hidden};
  }
  base::Error error(const Node& node, const std::string& expected) const;
};

// What a validate() rule found: the field it blames (a path below the struct, "tls.dir" or
// "peers[2]"), the value that field has, which may be its default, and what the rule wants.
struct Problem {
  std::string path;
  std::string value;
  std::string expected;
};

struct StructSpec;

struct FieldSpec {
  // How `nested` and `variants` hang below the field.
  enum class Shape : uint8_t { kValue, kStruct, kStructList, kStructMap, kVariantMap };

  std::string name;
  std::string doc;
  std::function<std::string()> type;  // "a size from 16MB to 4GB": for messages and documents
  std::string defaultText;            // empty: none
  bool required = false;
  bool secret = false;  // the value is shown in no message
  Shape shape = Shape::kValue;
  std::vector<std::shared_ptr<const StructSpec>> nested;  // one, or one for each variant
  // Reads `node` into the field of `object`, which is the struct the table describes.
  std::function<base::Status(const Place&, const Node&, void* object)> read;
};

struct StructSpec {
  std::string name;
  std::string doc;
  std::vector<FieldSpec> fields;
  std::vector<std::function<std::optional<Problem>(const void* object)>> rules;

  const FieldSpec* find(std::string_view fieldName) const;
};

// Reads a map into `object`: fields in the table's order, so that one wrong file has one message;
// a key that is in neither the table nor `extraKey` is an error.
base::Status readStruct(const StructSpec& spec, const Place& place, const Node& node, void* object,
                        std::string_view extraKey = {});

// `node` is a list or map (`kind`), or null for an empty one, with `count` children; else an error
// that expects `type`.
base::Status checkContainer(const Place& place, const Node& node, Node::Kind kind,
                            const Range<size_t>& count, const std::string& type);

// The key of a map's entry is an id: 1 to 63 of a-z A-Z 0-9 _ - . and no dot first, so that it can
// be a metric's label and a file's name.
base::Status checkId(const Place& map, const Node& entry);

// Which of `specs` the entry's `type` key names, or its own key when it has none.
base::Result<size_t> pickVariant(const Place& place, const Node& entry,
                                 const std::vector<std::shared_ptr<const StructSpec>>& specs);

// "one of a, b, c".
std::string oneOf(const std::vector<std::string>& names);

// Markdown: a table of the struct's own values, then one for each struct below it.
std::string documentation(const StructSpec& spec);

}  // namespace logtail::config
