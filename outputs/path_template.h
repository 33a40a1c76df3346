#pragma once
// Where a record's file lies: "{namespace}/{pod}_{container}.log" made into a path below the base
// directory. Values come from the wire and are hostile: whatever they hold, no path leaves the base
// directory, and different values never share a path. Pure; any thread.
//
// A value keeps A-Z a-z 0-9 - . and has every other byte, and a dot in front, as %XX; an empty one
// is "_". So "_" in a name is always the template's own or comes before a rotation's number. A path
// component over kMaxComponent bytes is cut and ends with "~" and its hash.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/event/stream.h"

namespace logtail::outputs {

class PathTemplate {
 public:
  static constexpr size_t kMaxComponent = 200;
  static constexpr size_t kMaxComponents = 12;
  static constexpr size_t kMaxText = 1024;

  // kFixInput, naming what is wrong: an unknown field, "..", an absolute or empty path.
  static base::Result<PathTemplate> parse(std::string_view text);

  std::string render(const event::StreamDescription& stream, int64_t timeNanos) const;

  // The times, around `timeNanos`, for which render() gives the same path: [from, to).
  struct Span {
    int64_t from = INT64_MIN;
    int64_t to = INT64_MAX;
  };
  Span spanAround(int64_t timeNanos) const;

 private:
  enum class Field : uint8_t {
    kText,
    kNamespace,
    kPod,
    kPodUid,
    kContainer,
    kRestart,
    kNode,
    kCluster,
    kDate,
    kHour,
  };
  struct Part {
    Field field = Field::kText;
    std::string text;
  };
  static const std::vector<std::pair<std::string_view, Field>>& fields();
  static base::Status checkText(const std::vector<Part>& parts);

  std::vector<Part> parts_;
  int64_t spanNanos_ = 0;  // 0: time plays no part
};

// One value as it stands in a path.
std::string pathValue(std::string_view value);

}  // namespace logtail::outputs
