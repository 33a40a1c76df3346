#include "common/config/value_type.h"

#include <cmath>
#include <cstdio>

namespace logtail::config {

std::string describeRange(std::string noun, const std::string& min, const std::string& max) {
  if (!min.empty() && !max.empty()) return noun + " from " + min + " to " + max;
  if (!min.empty()) return noun + ", at least " + min;
  if (!max.empty()) return noun + ", at most " + max;
  return noun;
}

std::string describeCount(const std::string& noun, const Range<size_t>& count) {
  if (count.min && count.max) {
    return noun + " with " + std::to_string(*count.min) + " to " + std::to_string(*count.max) +
           " entries";
  }
  return noun;
}

std::string ValueType<std::string>::describe(const Range<size_t>& range) {
  if (range.min == 1u && !range.max) return "a string that is not empty";
  if (!range.min && !range.max) return "a string";
  return describeRange("a string with a length", std::to_string(range.min.value_or(0)),
                       range.max ? std::to_string(*range.max) + " bytes" : "");
}

bool ValueType<double>::parse(std::string_view text, double& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(out);
}

std::string ValueType<double>::format(double value) {
  char text[32];
  const int length = std::snprintf(text, sizeof text, "%.15g", value);
  return {text, static_cast<size_t>(length)};
}

std::string ValueType<double>::describe(const Range<double>& range) {
  return describeRange("a number", range.min ? format(*range.min) : "",
                       range.max ? format(*range.max) : "");
}

std::string ValueType<base::Bytes>::describe(const Range<base::Bytes>& range) {
  return describeRange("a size such as 5MB, 5MiB", range.min ? format(*range.min) : "",
                       range.max ? format(*range.max) : "");
}

}  // namespace logtail::config
