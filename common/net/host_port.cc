#include "common/net/host_port.h"

#include <charconv>

namespace logtail::net {

base::Result<HostPort> parseHostPort(const std::string& text) {
  const base::Error wrong{base::Errc::kFixInput, "\"" + text + "\": expected host:port"};
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return wrong;
  HostPort out;
  out.host = text.substr(0, colon);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
  } else if (out.host.find(':') != std::string::npos) {
    return wrong;
  }
  if (out.host.empty()) out.host = "0.0.0.0";
  const char* end = text.data() + text.size();
  const auto [stopped, failed] = std::from_chars(text.data() + colon + 1, end, out.port);
  if (failed != std::errc() || stopped != end) return wrong;
  return out;
}

bool isLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

}  // namespace logtail::net
