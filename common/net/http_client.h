#pragma once
// One HTTP request and its response, blocking: for the command line and for tests, not for the data
// path. Any thread; each call has its own connection. Nothing throws.

#include <chrono>
#include <string>

#include "common/base/result.h"
#include "common/base/units.h"
#include "common/net/http_message.h"

namespace logtail::net {

struct HttpClientOptions {
  std::chrono::milliseconds timeout{10'000};  // for each step: connect, handshake, send, receive
  base::Bytes maxBody{64 << 20};
  std::string caFile;      // https: who signs the server; empty: the system's authorities
  std::string serverName;  // https: the name in the server's certificate; empty: the URL's host
  std::vector<std::pair<std::string, std::string>> headers;
};

// Any status is an answer. Errors: kFixInput for a URL or CA file that is none and for a
// certificate that is not accepted; kRetry when the server does not answer in time or breaks off;
// kQuarantine when its answer is not HTTP or larger than maxBody.
base::Result<HttpResponse> httpGet(const std::string& url, const HttpClientOptions& options = {});
base::Result<HttpResponse> httpPost(const std::string& url, std::string body,
                                    const std::string& contentType,
                                    const HttpClientOptions& options = {});

}  // namespace logtail::net
