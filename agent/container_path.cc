#include "agent/container_path.h"

#include <algorithm>
#include <charconv>

namespace logtail::agent {
namespace {

constexpr std::string_view kSuffix = ".log";
constexpr size_t kContainerId = 64;
constexpr size_t kMaxLabel = 63;       // RFC 1123, for namespaces and containers
constexpr size_t kMaxSubdomain = 253;  // for pods
constexpr size_t kMaxUid = 64;         // a UUID; 32 hex digits for static pods

bool isLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

bool isId(std::string_view text) {
  return text.size() == kContainerId && std::all_of(text.begin(), text.end(), [](char c) {
           return isDigit(c) || (c >= 'a' && c <= 'f');
         });
}

// Letters, digits and '-' or '.' between them: neither "." nor ".." nor anything with a '/'.
bool isName(std::string_view text, size_t limit, bool dots) {
  const auto isAlnum = [](char c) { return isLower(c) || isDigit(c); };
  return !text.empty() && text.size() <= limit && isAlnum(text.front()) && isAlnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return isAlnum(c) || c == '-' || (dots && c == '.'); });
}

bool isUid(std::string_view text) {
  return !text.empty() && text.size() <= kMaxUid &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return isLower(c) || isDigit(c) || (c >= 'A' && c <= 'Z') || c == '-';
         });
}

bool parseRestart(std::string_view digits, uint32_t& out) {
  const bool canonical = digits == "0" || (!digits.empty() && digits.front() != '0');
  const char* const end = digits.data() + digits.size();
  const auto [stopped, failed] = std::from_chars(digits.data(), end, out);
  return canonical && failed == std::errc() && stopped == end;
}

// The part of `path` behind its last '/', which is taken off with it.
std::string_view takeLast(std::string_view& path) {
  const size_t slash = path.rfind('/');
  const std::string_view last = path.substr(slash == std::string_view::npos ? 0 : slash + 1);
  path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  return last;
}

// Cuts `text` at its only two '_': no part of these names has one.
bool cutInThree(std::string_view text, std::string_view (&parts)[3]) {
  const size_t first = text.find('_');
  if (first == std::string_view::npos) return false;
  const size_t second = text.find('_', first + 1);
  if (second == std::string_view::npos) return false;
  parts[0] = text.substr(0, first);
  parts[1] = text.substr(first + 1, second - first - 1);
  parts[2] = text.substr(second + 1);
  return parts[2].find('_') == std::string_view::npos;
}

}  // namespace

const char* name(NameError error) {
  switch (error) {
    case NameError::kNone:
      return "none";
    case NameError::kNoLogFile:
      return "no_log_file";
    case NameError::kMalformedLink:
      return "malformed_link";
    case NameError::kMalformedTarget:
      return "malformed_target";
    case NameError::kBadPart:
      return "bad_part";
    case NameError::kMismatch:
      return "mismatch";
    case NameError::kCount:
      break;
  }
  return "unknown";
}

NameError parseContainerLink(std::string_view linkName, std::string_view target,
                             std::string_view logRoot, ContainerLog& out) {
  if (!linkName.ends_with(kSuffix)) return NameError::kNoLogFile;
  std::string_view link = linkName.substr(0, linkName.size() - kSuffix.size());
  const size_t dash = link.rfind('-');
  if (dash == std::string_view::npos || !isId(link.substr(dash + 1))) {
    return NameError::kMalformedLink;
  }
  const std::string_view id = link.substr(dash + 1);
  std::string_view named[3];  // pod, namespace, container
  if (!cutInThree(link.substr(0, dash), named)) return NameError::kMalformedLink;
  if (!isName(named[0], kMaxSubdomain, true) || !isName(named[1], kMaxLabel, false) ||
      !isName(named[2], kMaxLabel, false)) {
    return NameError::kBadPart;
  }

  std::string_view file = takeLast(target);
  const std::string_view container = takeLast(target);
  const std::string_view podDirectory = takeLast(target);
  std::string_view placed[3];  // namespace, pod, UID
  if (!file.ends_with(kSuffix) || !cutInThree(podDirectory, placed)) {
    return NameError::kMalformedTarget;
  }
  file.remove_suffix(kSuffix.size());
  uint32_t restart = 0;
  if (!parseRestart(file, restart) || !isUid(placed[2])) return NameError::kBadPart;
  if (placed[0] != named[1] || placed[1] != named[0] || container != named[2]) {
    return NameError::kMismatch;
  }

  out.linkName = linkName;
  out.pod = named[0];
  out.namespaceName = named[1];
  out.container = named[2];
  out.containerId = id;
  out.podUid = placed[2];
  out.restart = restart;
  out.directory.clear();
  out.directory.append(logRoot).append("/pods/").append(podDirectory).append("/").append(container);
  return NameError::kNone;
}

std::string logDirectoryOf(std::string_view logRoot, std::string_view namespaceName,
                           std::string_view pod, std::string_view podUid,
                           std::string_view container) {
  std::string path(logRoot);
  path.append("/pods/").append(namespaceName).append("_").append(pod).append("_").append(podUid);
  return path.append("/").append(container);
}

}  // namespace logtail::agent
