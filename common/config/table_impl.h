#pragma once
// The bodies of Table<T>'s templates; included by table.h only.

#include <type_traits>

#include "common/config/table.h"

namespace logtail::config {

template <typename V>
std::string Limits<V>::describe() const {
  const std::string value = ofValues ? ValueType<V>::describe(range) : "";
  if (container.empty()) return value;
  return describeCount(container, count) + (ofValues ? ", each value " + value : "");
}

template <typename V>
base::Status readScalar(const Place& place, const Node& node, V& into,
                        const Range<typename ValueType<V>::Bound>& range) {
  if (node.kind == Node::Kind::kScalar) {
    V value{};
    if (ValueType<V>::parse(node.text, value) && range.contains(ValueType<V>::measure(value))) {
      into = std::move(value);
      return {};
    }
  }
  return place.error(node, ValueType<V>::describe(range));
}

template <typename T>
template <typename V, typename F>
Field<V> Table<T>::add(std::string name, std::string doc, Limits<V> limits, F read) {
  LOGTAIL_ASSERT(spec_->find(name) == nullptr);
  auto shared = std::make_shared<Limits<V>>(std::move(limits));
  FieldSpec& field = spec_->fields.emplace_back();
  field.name = std::move(name);
  field.doc = std::move(doc);
  field.type = [shared] { return shared->describe(); };
  field.read = [read, shared](const Place& place, const Node& node, void* object) -> base::Status {
    return read(place, node, *static_cast<T*>(object), *shared);
  };
  return Field<V>(field, shared);
}

template <typename T>
template <typename F>
Field<std::string> Table<T>::addStructs(std::string name, std::string doc, FieldSpec::Shape shape,
                                        std::string container, F read) {
  auto field = add<std::string>(std::move(name), std::move(doc),
                                Limits<std::string>{std::move(container), false, {}, {}}, read);
  spec_->fields.back().shape = shape;
  return field;
}

template <typename T>
template <typename V, typename C>
Field<V> Table<T>::value(std::string name, V C::*member, std::string doc) {
  auto field =
      add<V>(std::move(name), std::move(doc), {},
             [member](const Place& place, const Node& node, T& object, const Limits<V>& limits) {
               return readScalar(place, node, object.*member, limits.range);
             });
  spec_->fields.back().defaultText = ValueType<V>::format(T{}.*member);
  return field;
}

template <typename T>
template <typename E, typename C>
Field<std::string> Table<T>::choice(std::string name, E C::*member, std::string doc,
                                    std::vector<std::pair<std::string, E>> names) {
  std::vector<std::string> words;
  std::string defaultText;
  for (const auto& [word, value] : names) {
    words.push_back(word);
    if (value == T{}.*member) defaultText = word;
  }
  const std::string type = oneOf(words);
  auto field =
      add<std::string>(std::move(name), std::move(doc), {},
                       [member, names, type](const Place& place, const Node& node, T& object,
                                             const Limits<std::string>&) -> base::Status {
                         for (const auto& [word, value] : names) {
                           if (node.kind != Node::Kind::kScalar || node.text != word) continue;
                           object.*member = value;
                           return {};
                         }
                         return place.error(node, type);
                       });
  spec_->fields.back().type = [type] { return type; };
  spec_->fields.back().defaultText = defaultText;
  return field;
}

template <typename T>
template <typename V, typename C>
Field<V> Table<T>::list(std::string name, std::vector<V> C::*member, std::string doc) {
  auto field =
      add<V>(std::move(name), std::move(doc), {"a list", true, {}, {}},
             [member](const Place& place, const Node& node, T& object,
                      const Limits<V>& limits) -> base::Status {
               LOGTAIL_TRY(
                   checkContainer(place, node, Node::Kind::kList, limits.count, limits.describe()));
               std::vector<V> values;
               for (size_t i = 0; i < node.children.size(); ++i) {
                 V value{};
                 LOGTAIL_TRY(readScalar(place.item(i), node.children[i], value, limits.range));
                 values.push_back(std::move(value));
               }
               object.*member = std::move(values);
               return {};
             });
  std::string& text = spec_->fields.back().defaultText;
  const T defaults{};
  for (const V& value : defaults.*member) {
    text += (text.empty() ? "[" : ", ") + ValueType<V>::format(value);
  }
  if (!text.empty()) text += "]";
  return field;
}

template <typename T>
template <typename V, typename C>
Field<V> Table<T>::map(std::string name, std::map<std::string, V> C::*member, std::string doc) {
  return add<V>(
      std::move(name), std::move(doc), {"a map", true, {}, {}},
      [member](const Place& place, const Node& node, T& object,
               const Limits<V>& limits) -> base::Status {
        LOGTAIL_TRY(checkContainer(place, node, Node::Kind::kMap, limits.count, limits.describe()));
        std::map<std::string, V> values;
        for (const Node& child : node.children) {
          LOGTAIL_TRY(readScalar(place.at(child.key), child, values[child.key], limits.range));
        }
        object.*member = std::move(values);
        return {};
      });
}

template <typename T>
template <typename V, typename C>
void Table<T>::table(std::string name, V C::*member, std::string doc, const Table<V>& nested) {
  addStructs(std::move(name), std::move(doc), FieldSpec::Shape::kStruct, "a map of settings",
             [member, nested](const Place& place, const Node& node, T& object, const auto&) {
               return nested.read(place, node, object.*member);
             });
  spec_->fields.back().nested = {nested.spec()};
}

template <typename T>
template <typename V, typename C>
Field<std::string> Table<T>::tables(std::string name, std::vector<V> C::*member, std::string doc,
                                    const Table<V>& nested) {
  auto field =
      addStructs(std::move(name), std::move(doc), FieldSpec::Shape::kStructList, "a list of maps",
                 [member, nested](const Place& place, const Node& node, T& object,
                                  const auto& limits) -> base::Status {
                   LOGTAIL_TRY(checkContainer(place, node, Node::Kind::kList, limits.count,
                                              limits.describe()));
                   std::vector<V> values(node.children.size());
                   for (size_t i = 0; i < values.size(); ++i) {
                     LOGTAIL_TRY(nested.read(place.item(i), node.children[i], values[i]));
                   }
                   object.*member = std::move(values);
                   return {};
                 });
  spec_->fields.back().nested = {nested.spec()};
  return field;
}

template <typename T>
template <typename V, typename C>
Field<std::string> Table<T>::tableMap(std::string name, std::map<std::string, V> C::*member,
                                      std::string doc, const Table<V>& nested) {
  auto field = addStructs(
      std::move(name), std::move(doc), FieldSpec::Shape::kStructMap, "a map of ids to maps",
      [member, nested](const Place& place, const Node& node, T& object,
                       const auto& limits) -> base::Status {
        LOGTAIL_TRY(checkContainer(place, node, Node::Kind::kMap, limits.count, limits.describe()));
        std::map<std::string, V> values;
        for (const Node& child : node.children) {
          LOGTAIL_TRY(checkId(place, child));
          LOGTAIL_TRY(nested.read(place.at(child.key), child, values[child.key]));
        }
        object.*member = std::move(values);
        return {};
      });
  spec_->fields.back().nested = {nested.spec()};
  return field;
}

template <typename T>
template <typename Base, typename C>
Field<std::string> Table<T>::variants(std::string name, std::vector<Chosen<Base>> C::*member,
                                      std::string doc, const Variants<Base>& variants) {
  auto field = addStructs(
      std::move(name), std::move(doc), FieldSpec::Shape::kVariantMap, "a map of ids to maps",
      [member, variants](const Place& place, const Node& node, T& object,
                         const auto& limits) -> base::Status {
        LOGTAIL_TRY(checkContainer(place, node, Node::Kind::kMap, limits.count, limits.describe()));
        std::vector<Chosen<Base>> values;
        for (const Node& child : node.children) {
          LOGTAIL_TRY(checkId(place, child));
          const auto index = pickVariant(place.at(child.key), child, variants.specs_);
          if (!index) return index.error();
          const StructSpec& spec = *variants.specs_[*index];
          auto made = variants.makers_[*index]();
          LOGTAIL_TRY(readStruct(spec, place.at(child.key), child, made.second, "type"));
          values.push_back({child.key, spec.name, std::move(made.first)});
        }
        object.*member = std::move(values);
        return {};
      });
  spec_->fields.back().nested = variants.specs_;
  return field;
}

template <typename T>
template <typename B>
void Table<T>::include(const Table<B>& table) {
  static_assert(std::is_base_of_v<B, T>);
  for (const FieldSpec& field : table.spec()->fields) {
    LOGTAIL_ASSERT(spec_->find(field.name) == nullptr);
    spec_->fields.push_back(field);
    // A T* and its B* may differ, so the struct's address is taken as T's first.
    spec_->fields.back().read = [read = field.read](const Place& place, const Node& node,
                                                    void* object) {
      return read(place, node, static_cast<B*>(static_cast<T*>(object)));
    };
  }
  for (const auto& rule : table.spec()->rules) {
    spec_->rules.push_back([rule](const void* object) {
      return rule(static_cast<const B*>(static_cast<const T*>(object)));
    });
  }
}

}  // namespace logtail::config
