#include "outputs/path_template.h"

#include <algorithm>
#include <cstdio>

#include "common/base/checksum.h"
#include "outputs/utc_time.h"

namespace logtail::outputs {
namespace {

constexpr int64_t kHourNanos = 3600 * kNanosPerSecond;
constexpr int64_t kDayNanos = kSecondsPerDay * kNanosPerSecond;

base::Error wrong(const std::string& what) {
  return {base::Errc::kFixInput, what};
}

bool isPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.';
}

std::string date(int64_t timeNanos) {
  char text[kDateChars];
  storeDate(floorDivide(timeNanos, kDayNanos), text);
  return {text, sizeof text};
}

std::string hour(int64_t timeNanos) {
  char text[kSecondChars];
  storeSecond(floorDivide(timeNanos, kNanosPerSecond), text);
  return {text + 11, 2};
}

// A component that a file system takes, with room for a rotation's number; the extension stays.
std::string bounded(std::string component, bool last) {
  if (component.size() <= PathTemplate::kMaxComponent) return component;
  char hash[18];
  std::snprintf(hash, sizeof hash, "~%016llx",
                static_cast<unsigned long long>(base::hash64(component)));
  std::string extension;
  const size_t dot = component.rfind('.');
  if (last && dot != std::string::npos && component.size() - dot <= 16) {
    extension = component.substr(dot);
  }
  const size_t keep = PathTemplate::kMaxComponent - 17 - extension.size();
  return component.substr(0, keep) + hash + extension;
}

}  // namespace

std::string pathValue(std::string_view value) {
  if (value.empty()) return "_";
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (isPlain(c) && !(i == 0 && c == '.')) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

const std::vector<std::pair<std::string_view, PathTemplate::Field>>& PathTemplate::fields() {
  static const std::vector<std::pair<std::string_view, Field>> kFields = {
      {"namespace", Field::kNamespace}, {"pod", Field::kPod},         {"pod_uid", Field::kPodUid},
      {"container", Field::kContainer}, {"restart", Field::kRestart}, {"node", Field::kNode},
      {"cluster", Field::kCluster},     {"date", Field::kDate},       {"hour", Field::kHour},
  };
  return kFields;
}

base::Result<PathTemplate> PathTemplate::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxText) return wrong("a path of 1 to 1024 bytes");
  PathTemplate made;
  while (!text.empty()) {
    const size_t open = text.find_first_of("{}");
    if (open != 0) {
      made.parts_.push_back({Field::kText, std::string(text.substr(0, open))});
      text.remove_prefix(std::min(open, text.size()));
      continue;
    }
    const size_t close = text.find('}');
    if (text[0] == '}' || close == std::string_view::npos) return wrong("every { with its }");
    const std::string_view name = text.substr(1, close - 1);
    const auto field = std::find_if(fields().begin(), fields().end(),
                                    [name](const auto& entry) { return entry.first == name; });
    if (field == fields().end()) {
      return wrong("{" + std::string(name) +
                   "} to be one of {namespace} {pod} {pod_uid} "
                   "{container} {restart} {node} {cluster} {date} {hour}");
    }
    made.parts_.push_back({field->second, {}});
    if (field->second == Field::kDate && made.spanNanos_ == 0) made.spanNanos_ = kDayNanos;
    if (field->second == Field::kHour) made.spanNanos_ = kHourNanos;
    text.remove_prefix(close + 1);
  }
  LOGTAIL_TRY(checkText(made.parts_));
  return made;
}

// Components are judged with a plain value in place of each field.
base::Status PathTemplate::checkText(const std::vector<Part>& parts) {
  std::string sample;
  for (const Part& part : parts) {
    sample += part.field == Field::kText ? part.text : "x";
    for (const char c : part.text) {
      if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ||
          c == '~') {
        return wrong("printable ASCII without ~");
      }
    }
  }
  size_t components = 0;
  for (size_t at = 0; at <= sample.size();) {
    const size_t slash = std::min(sample.find('/', at), sample.size());
    const std::string component = sample.substr(at, slash - at);
    if (component.empty()) return wrong("a path below `directory`: no / at its ends, no //");
    if (component == "." || component == "..") return wrong("no component . or ..");
    if (component.size() > kMaxComponent) return wrong("components of at most 200 bytes");
    ++components;
    at = slash + 1;
  }
  if (components > kMaxComponents) return wrong("at most 12 components");
  return {};
}

std::string PathTemplate::render(const event::StreamDescription& stream, int64_t timeNanos) const {
  std::string raw;
  for (const Part& part : parts_) {
    switch (part.field) {
      case Field::kText:
        raw += part.text;
        break;
      case Field::kNamespace:
        raw += pathValue(stream.namespaceName);
        break;
      case Field::kPod:
        raw += pathValue(stream.pod);
        break;
      case Field::kPodUid:
        raw += pathValue(stream.podUid);
        break;
      case Field::kContainer:
        raw += pathValue(stream.container);
        break;
      case Field::kRestart:
        raw += std::to_string(stream.restart);
        break;
      case Field::kNode:
        raw += pathValue(stream.node);
        break;
      case Field::kCluster:
        raw += pathValue(stream.cluster);
        break;
      case Field::kDate:
        raw += date(timeNanos);
        break;
      case Field::kHour:
        raw += hour(timeNanos);
        break;
    }
  }
  std::string path;
  for (size_t at = 0; at <= raw.size();) {
    const size_t slash = std::min(raw.find('/', at), raw.size());
    if (at > 0) path += '/';
    path += bounded(raw.substr(at, slash - at), slash == raw.size());
    at = slash + 1;
  }
  return path;
}

PathTemplate::Span PathTemplate::spanAround(int64_t timeNanos) const {
  if (spanNanos_ == 0) return {};
  const int64_t index = floorDivide(timeNanos, spanNanos_);
  Span span;
  // The first and last spans of the range reach its ends; only whole ones are multiplied out.
  if (index > INT64_MIN / spanNanos_) span.from = index * spanNanos_;
  if (index < INT64_MAX / spanNanos_) span.to = (index + 1) * spanNanos_;
  return span;
}

}  // namespace logtail::outputs
