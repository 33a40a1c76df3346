#include "common/net/http_message.h"

#include <algorithm>

namespace logtail::net {
namespace {

int hexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool decode(std::string_view text, bool plusIsSpace, std::string& out) {
  out.clear();
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plusIsSpace) {
      out += ' ';
    } else if (text[i] == '%') {
      if (text.size() - i < 3) return false;
      const int high = hexDigit(text[i + 1]);
      const int low = hexDigit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return false;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return true;
}

bool isPort(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool parseTarget(std::string_view target, std::string& path,
                 std::map<std::string, std::string>& query) {
  query.clear();
  target = target.substr(0, target.find('#'));
  const size_t mark = target.find('?');
  if (target.empty() || target[0] != '/' || !decode(target.substr(0, mark), false, path))
    return false;
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    std::string name;
    std::string value;
    if (!decode(pair.substr(0, equals), true, name)) return false;
    if (equals != std::string_view::npos && !decode(pair.substr(equals + 1), true, value))
      return false;
    query[name] = std::move(value);
  }
  return true;
}

bool parseUrl(std::string_view text, Url& url) {
  if (text.starts_with("https://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else if (text.starts_with("http://")) {
    url.tls = false;
    text.remove_prefix(7);
  } else {
    return false;
  }
  const size_t slash = text.find_first_of("/?");
  std::string_view authority = text.substr(0, slash);
  url.target = slash == std::string_view::npos ? "/" : std::string(text.substr(slash));
  if (url.target[0] == '?') url.target.insert(0, "/");
  const auto isBad = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), isBad)) return false;
  if (authority.find('@') != std::string_view::npos) return false;
  size_t hostEnd = authority.rfind(':');
  if (authority.starts_with("[")) {
    const size_t close = authority.find(']');
    if (close == std::string_view::npos) return false;
    url.host = authority.substr(1, close - 1);
    hostEnd = close + 1;
    if (hostEnd < authority.size() && authority[hostEnd] != ':') return false;
  } else {
    hostEnd = std::min(hostEnd, authority.size());
    url.host = authority.substr(0, hostEnd);
  }
  url.port = url.tls ? "443" : "80";
  if (hostEnd < authority.size()) {
    if (!isPort(authority.substr(hostEnd + 1))) return false;
    url.port = authority.substr(hostEnd + 1);
  }
  return !url.host.empty();
}

}  // namespace logtail::net
