#pragma once
// Table<T>: the one place where the fields of a configuration struct are declared. Name, doc and
// bounds stand here, the default is the member's own initialiser; reading, rejection of unknown
// keys, messages and docs/config.md follow from it.
//
//   Table<TlsConfig> table("tls", "Certificates of both sides.");
//   table.value("dir", &TlsConfig::dir, "Directory with ca.crt, tls.crt and tls.key.").required();
//   table.value("reload", &TlsConfig::reload, "How often they are read again.").range(1s, 24h);
//   table.rule([](const TlsConfig& c) -> std::optional<Problem> { ... });
//
// A Table is cheap to copy and shares its spec; build it once, then read with it from any thread.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/config/spec.h"
#include "common/config/value_type.h"

namespace logtail::config {

// The bounds of a field, shared by its reader and its description.
template <typename V>
struct Limits {
  std::string container;  // "a list", "a map of ids to maps"; empty for one value
  bool ofValues = true;   // the container's items are values, not structs
  Range<typename ValueType<V>::Bound> range;
  Range<size_t> count;

  std::string describe() const;
};

// What Table's functions return, to say more of the field just declared; dead after the next one.
template <typename V>
class Field {
 public:
  using Bound = typename ValueType<V>::Bound;
  Field(FieldSpec& spec, std::shared_ptr<Limits<V>> limits)
      : spec_(spec), limits_(std::move(limits)) {}

  Field& required() { return spec_.required = true, *this; }
  Field& secret() { return spec_.secret = true, *this; }
  // Bounds of the value (bytes of a string), both included; of each item of a list or map.
  Field& range(Bound min, Bound max) { return limits_->range = {min, max}, *this; }
  Field& atLeast(Bound min) { return limits_->range.min = min, *this; }
  // How many items a list or map has.
  Field& count(size_t min, size_t max) { return limits_->count = {min, max}, *this; }

 private:
  FieldSpec& spec_;
  std::shared_ptr<Limits<V>> limits_;
};

// One of several structs, chosen by the `type` key of a map's entry.
template <typename Base>
struct Chosen {
  std::string id;
  std::string type;
  std::shared_ptr<const Base> settings;
};

template <typename Base>
class Variants;

template <typename T>
class Table {
 public:
  Table(std::string name, std::string doc) : spec_(std::make_shared<StructSpec>()) {
    spec_->name = std::move(name);
    spec_->doc = std::move(doc);
  }

  // A scalar: string, bool, integer, double, Bytes, a duration, or std::optional of those.
  template <typename V, typename C>
  Field<V> value(std::string name, V C::*member, std::string doc);

  // A name that stands for a value of an enum.
  template <typename E, typename C>
  Field<std::string> choice(std::string name, E C::*member, std::string doc,
                            std::vector<std::pair<std::string, E>> names);

  // A list of scalars; a map of ids to scalars.
  template <typename V, typename C>
  Field<V> list(std::string name, std::vector<V> C::*member, std::string doc);
  template <typename V, typename C>
  Field<V> map(std::string name, std::map<std::string, V> C::*member, std::string doc);

  // A struct; a list of structs; a map of ids to structs.
  template <typename V, typename C>
  void table(std::string name, V C::*member, std::string doc, const Table<V>& nested);
  template <typename V, typename C>
  Field<std::string> tables(std::string name, std::vector<V> C::*member, std::string doc,
                            const Table<V>& nested);
  template <typename V, typename C>
  Field<std::string> tableMap(std::string name, std::map<std::string, V> C::*member,
                              std::string doc, const Table<V>& nested);

  // A map of ids to structs whose `type` (by default the id) picks the table; in the file's order.
  template <typename Base, typename C>
  Field<std::string> variants(std::string name, std::vector<Chosen<Base>> C::*member,
                              std::string doc, const Variants<Base>& variants);

  // A rule across fields, asked when all of them were read.
  template <typename F>
  void rule(F check) {
    spec_->rules.push_back(
        [check](const void* object) { return check(*static_cast<const T*>(object)); });
  }

  // The fields and rules of a base class of T, before those declared from now on.
  template <typename B>
  void include(const Table<B>& table);

  const std::shared_ptr<StructSpec>& spec() const { return spec_; }
  base::Status read(const Place& place, const Node& node, T& into) const {
    return readStruct(*spec_, place, node, &into);
  }

 private:
  // Adds a field; `read` gets the struct itself and the field's limits.
  template <typename V, typename F>
  Field<V> add(std::string name, std::string doc, Limits<V> limits, F read);
  template <typename F>
  Field<std::string> addStructs(std::string name, std::string doc, FieldSpec::Shape shape,
                                std::string container, F read);

  std::shared_ptr<StructSpec> spec_;
};

// The structs a `type` may name; each table's name is its type's.
template <typename Base>
class Variants {
 public:
  template <typename D>
  void add(const Table<D>& table) {
    specs_.push_back(table.spec());
    makers_.push_back([] {
      auto made = std::make_shared<D>();
      return std::pair<std::shared_ptr<Base>, void*>(made, made.get());
    });
  }

 private:
  template <typename T>
  friend class Table;
  std::vector<std::shared_ptr<const StructSpec>> specs_;
  std::vector<std::function<std::pair<std::shared_ptr<Base>, void*>()>> makers_;
};

}  // namespace logtail::config

#include "common/config/table_impl.h"
