#pragma once
// An HTTP request and response as the rooms see them; Beast stays in http_server.cc and
// http_client.cc.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace logtail::net {

struct HttpRequest {
  std::string method;                          // "GET"
  std::string path;                            // decoded, without the query
  std::map<std::string, std::string> query;    // decoded; of a name given twice the last
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  // The query's or header's value, or `fallback`.
  std::string queryOr(const std::string& name, const std::string& fallback = "") const {
    const auto at = query.find(name);
    return at == query.end() ? fallback : at->second;
  }
};

struct HttpResponse {
  int status = 200;
  std::string contentType = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // beside those HTTP itself needs
};

// Splits "/a%20b?x=1&y" into path and query. False for a target that is not an absolute path or has
// a broken %-escape or a zero byte.
bool parseTarget(std::string_view target, std::string& path,
                 std::map<std::string, std::string>& query);

// http://host:port/target or https://...; the host may be [::1].
struct Url {
  bool tls = false;
  std::string host;  // without brackets
  std::string port;  // "80" or "443" when not given
  std::string target = "/";
};
bool parseUrl(std::string_view text, Url& url);

}  // namespace logtail::net
