#pragma once
// How one value of a configuration is read from its text, bounded, described and written.
// Flow: Table<T>::value/list/map use ValueType<V> for their V; a new kind of value is one more
// specialisation. Pure functions, any thread; failure is `false`, the table writes the message.

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/base/units.h"

namespace logtail::config {

template <typename B>
struct Range {
  std::optional<B> min;
  std::optional<B> max;

  bool contains(const B& value) const {
    return (!min || !(value < *min)) && (!max || !(*max < value));
  }
};

// "noun", "noun from a to b", "noun of at least a", "noun of at most b".
std::string describeRange(std::string noun, const std::string& min, const std::string& max);

// A container's noun with its count: "a list of 1 to 64 entries".
std::string describeCount(const std::string& noun, const Range<size_t>& count);

// Bound: what Range limits, the value itself or its measure().
template <typename V>
struct ValueType;

template <>
struct ValueType<std::string> {
  using Bound = size_t;  // bytes
  static bool parse(std::string_view text, std::string& out) {
    out = text;
    return true;
  }
  static size_t measure(const std::string& value) { return value.size(); }
  static std::string describe(const Range<size_t>& range);
  static std::string format(const std::string& value) {
    return value.empty() ? "" : '"' + value + '"';
  }
};

template <>
struct ValueType<bool> {
  using Bound = bool;
  static bool parse(std::string_view text, bool& out) {
    out = text == "true";
    return out || text == "false";
  }
  static bool measure(bool value) { return value; }
  static std::string describe(const Range<bool>&) { return "true or false"; }
  static std::string format(bool value) { return value ? "true" : "false"; }
};

template <std::integral V>
requires(!std::same_as<V, bool>) struct ValueType<V> {
  using Bound = V;
  static bool parse(std::string_view text, V& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size();
  }
  static V measure(V value) { return value; }
  static std::string describe(const Range<V>& range) {
    using Limits = std::numeric_limits<V>;
    return describeRange("an integer", std::to_string(range.min.value_or(Limits::min())),
                         std::to_string(range.max.value_or(Limits::max())));
  }
  static std::string format(V value) { return std::to_string(value); }
};

template <>
struct ValueType<double> {
  using Bound = double;
  static bool parse(std::string_view text, double& out);
  static double measure(double value) { return value; }
  static std::string describe(const Range<double>& range);
  static std::string format(double value);
};

template <>
struct ValueType<base::Bytes> {
  using Bound = base::Bytes;
  static bool parse(std::string_view text, base::Bytes& out) {
    const auto value = base::parseBytes(text);
    if (value) out = *value;
    return value.has_value();
  }
  static base::Bytes measure(base::Bytes value) { return value; }
  static std::string describe(const Range<base::Bytes>& range);
  static std::string format(base::Bytes value) { return base::formatBytes(value); }
};

// Any std::chrono duration; text finer than its unit is refused.
template <typename Rep, typename Period>
struct ValueType<std::chrono::duration<Rep, Period>> {
  using Value = std::chrono::duration<Rep, Period>;
  using Bound = Value;
  static bool parse(std::string_view text, Value& out) {
    const auto value = base::parseDuration(text);
    if (!value) return false;
    out = std::chrono::duration_cast<Value>(*value);
    return std::chrono::nanoseconds(out) == *value;
  }
  static Value measure(Value value) { return value; }
  static std::string describe(const Range<Value>& range) {
    return describeRange("a duration such as 30s, 500ms", range.min ? format(*range.min) : "",
                         range.max ? format(*range.max) : "");
  }
  static std::string format(Value value) { return base::formatDuration(value); }
};

// A value that may be left out.
template <typename V>
struct ValueType<std::optional<V>> {
  using Inner = ValueType<V>;
  using Bound = typename Inner::Bound;
  static bool parse(std::string_view text, std::optional<V>& out) {
    return Inner::parse(text, out.emplace());
  }
  static Bound measure(const std::optional<V>& value) { return Inner::measure(*value); }
  static std::string describe(const Range<Bound>& range) { return Inner::describe(range); }
  static std::string format(const std::optional<V>& value) {
    return value ? Inner::format(*value) : "";
  }
};

}  // namespace logtail::config
