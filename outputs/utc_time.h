#pragma once
// UTC calendar text of nanoseconds since the Unix epoch, any int64. Pure; no allocation.

#include <cstddef>
#include <cstdint>

namespace logtail::outputs {

inline constexpr int64_t kNanosPerSecond = 1'000'000'000;
inline constexpr int64_t kSecondsPerDay = 86'400;

inline int64_t floorDivide(int64_t value, int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

inline constexpr size_t kDateChars = 10;    // 2023-11-14
inline constexpr size_t kSecondChars = 19;  // 2023-11-14T22:13:20

void storeDate(int64_t day, char* at);       // days since the epoch
void storeSecond(int64_t second, char* at);  // seconds since the epoch
void storeNanos(uint32_t nanos, char* at);   // nine digits

}  // namespace logtail::outputs
