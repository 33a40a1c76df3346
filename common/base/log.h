#pragma once
// The programs' own log: one logfmt line an event on stderr, with level and UTC time.
// Not for the hot path. Any thread. Messages name what happened and what a person can do.

#include <string_view>

namespace logtail::base {

enum class LogLevel { kDebug, kInfo, kWarn, kError };

void setLogLevel(LogLevel level);
void log(LogLevel level, std::string_view message);

inline void logInfo(std::string_view message) {
  log(LogLevel::kInfo, message);
}
inline void logWarn(std::string_view message) {
  log(LogLevel::kWarn, message);
}
inline void logError(std::string_view message) {
  log(LogLevel::kError, message);
}

}  // namespace logtail::base
