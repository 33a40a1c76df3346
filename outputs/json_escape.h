#pragma once
// Bytes to the inside of a JSON string (RFC 8259), for the hot path. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace logtail::outputs {

// Output bytes for `bytes` of input at most, with the slack the vector stores need.
inline constexpr size_t maxEscaped(size_t bytes) {
  return 6 * bytes + 16;
}

// Writes `text` at `at` (room for maxEscaped(text.size())) and returns the position after it.
// Quotes, backslashes and control characters are escaped; what is not well-formed UTF-8 becomes
// U+FFFD, one for each maximal subpart, so that the output is valid JSON whatever came in.
char* storeEscaped(std::string_view text, char* at);

void appendEscaped(std::string_view text, std::string& out);

}  // namespace logtail::outputs
