#pragma once
// Sizes and durations as people write them: "5MB" (10^6), "5MiB" (2^20), "500ms", "1h30m", "7d".
// For configuration and command lines, not for the hot path. Any thread; nothing throws.

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace logtail::base {

// A number of bytes that says so in its type.
struct Bytes {
  uint64_t count = 0;
  auto operator<=>(const Bytes&) const = default;
};

// A decimal number with at most nine digits after the point, then B, kB, MB, GB, TB, PB (powers of
// 1000), KiB, MiB, GiB, TiB, PiB (powers of 1024) or nothing (bytes). "KB" means kB. No spaces, no
// sign. Nothing when it is not that, is no whole number of bytes, or exceeds 64 bits.
std::optional<Bytes> parseBytes(std::string_view text);

// One or more numbers each with its unit, ns, us, ms, s, m, h or d: "30s", "1.5h", "1h30m"; or "0".
// Nothing when it is not that, or exceeds what nanoseconds in 63 bits hold (292 years).
std::optional<std::chrono::nanoseconds> parseDuration(std::string_view text);

// The shortest exact form that the parsers above read back: "64MB", "100GiB", "1234", "1m30s".
std::string formatBytes(Bytes value);
// The next multiple of `step`, so that a computed size reads well.
constexpr Bytes roundUp(Bytes value, Bytes step) {
  return {(value.count + step.count - 1) / step.count * step.count};
}
std::string formatDuration(std::chrono::nanoseconds value);

namespace literals {
constexpr Bytes operator""_B(unsigned long long n) {
  return {n};
}
constexpr Bytes operator""_KiB(unsigned long long n) {
  return {n << 10};
}
constexpr Bytes operator""_MiB(unsigned long long n) {
  return {n << 20};
}
constexpr Bytes operator""_GiB(unsigned long long n) {
  return {n << 30};
}
constexpr Bytes operator""_TiB(unsigned long long n) {
  return {n << 40};
}
constexpr Bytes operator""_kB(unsigned long long n) {
  return {n * 1000};
}
constexpr Bytes operator""_MB(unsigned long long n) {
  return {n * 1000000};
}
constexpr Bytes operator""_GB(unsigned long long n) {
  return {n * 1000000000};
}
constexpr Bytes operator""_TB(unsigned long long n) {
  return {n * 1000000000000};
}
}  // namespace literals

}  // namespace logtail::base
