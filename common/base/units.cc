#include "common/base/units.h"

#include <array>
#include <limits>

namespace logtail::base {
namespace {

using Wide = unsigned __int128;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array<Unit, 12> kByteUnits{{{"B", 1},
                                           {"kB", 1000},
                                           {"KB", 1000},
                                           {"KiB", 1ull << 10},
                                           {"MB", 1000000},
                                           {"MiB", 1ull << 20},
                                           {"GB", 1000000000},
                                           {"GiB", 1ull << 30},
                                           {"TB", 1000000000000},
                                           {"TiB", 1ull << 40},
                                           {"PB", 1000000000000000},
                                           {"PiB", 1ull << 50}}};

// Largest first: formatDuration takes them in this order.
constexpr std::array<Unit, 7> kTimeUnits{{{"d", 86400000000000},
                                          {"h", 3600000000000},
                                          {"m", 60000000000},
                                          {"s", 1000000000},
                                          {"ms", 1000000},
                                          {"us", 1000},
                                          {"ns", 1}}};

bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

// A decimal number as numerator / 10^digits, taken off the front of `text`.
struct Decimal {
  Wide numerator = 0;
  Wide denominator = 1;
};

std::optional<Decimal> takeDecimal(std::string_view& text) {
  constexpr size_t kMaxWhole = 20;    // digits of 2^64
  constexpr size_t kMaxFraction = 9;  // both bounds keep the product with any factor in 128 bits
  Decimal value;
  size_t whole = 0;
  while (whole < text.size() && isDigit(text[whole])) {
    if (whole == kMaxWhole) return std::nullopt;
    value.numerator = value.numerator * 10 + static_cast<unsigned>(text[whole++] - '0');
  }
  if (whole == 0) return std::nullopt;
  text.remove_prefix(whole);
  if (text.empty() || text[0] != '.') return value;
  if (value.numerator > std::numeric_limits<uint64_t>::max()) return std::nullopt;
  size_t at = 1;
  while (at < text.size() && isDigit(text[at])) {
    if (at > kMaxFraction) return std::nullopt;
    value.numerator = value.numerator * 10 + static_cast<unsigned>(text[at++] - '0');
    value.denominator *= 10;
  }
  if (at == 1) return std::nullopt;
  text.remove_prefix(at);
  return value;
}

// The number times the factor when it is whole and fits `limit`.
std::optional<uint64_t> scaled(Decimal number, uint64_t factor, uint64_t limit) {
  // Dividing by the powers of ten first where possible keeps the product below 2^128.
  while (number.denominator > 1 && factor % 10 == 0) {
    factor /= 10;
    number.denominator /= 10;
  }
  if (factor != 0 && number.numerator > (~Wide{0}) / factor) return std::nullopt;
  const Wide product = number.numerator * factor;
  if (product % number.denominator != 0) return std::nullopt;
  const Wide value = product / number.denominator;
  if (value > limit) return std::nullopt;
  return static_cast<uint64_t>(value);
}

}  // namespace

std::optional<Bytes> parseBytes(std::string_view text) {
  const auto number = takeDecimal(text);
  if (!number) return std::nullopt;
  for (const Unit& unit : kByteUnits) {
    if (text != unit.name && !(text.empty() && unit.factor == 1)) continue;
    const auto count = scaled(*number, unit.factor, std::numeric_limits<uint64_t>::max());
    if (!count) return std::nullopt;
    return Bytes{*count};
  }
  return std::nullopt;
}

std::optional<std::chrono::nanoseconds> parseDuration(std::string_view text) {
  if (text == "0") return std::chrono::nanoseconds(0);
  constexpr auto kLimit = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (text.empty()) return std::nullopt;
  uint64_t total = 0;
  while (!text.empty()) {
    const auto number = takeDecimal(text);
    if (!number) return std::nullopt;
    size_t length = 0;
    while (length < text.size() && !isDigit(text[length])) ++length;
    const std::string_view name = text.substr(0, length);
    text.remove_prefix(length);
    std::optional<uint64_t> part;
    for (const Unit& unit : kTimeUnits) {
      if (name == unit.name) part = scaled(*number, unit.factor, kLimit - total);
    }
    if (!part) return std::nullopt;
    total += *part;
  }
  return std::chrono::nanoseconds(static_cast<int64_t>(total));
}

std::string formatBytes(Bytes value) {
  const Unit* best = nullptr;
  for (const Unit& unit : kByteUnits) {
    if (unit.factor == 1 || value.count % unit.factor != 0) continue;
    if (best == nullptr || unit.factor > best->factor) best = &unit;
  }
  if (value.count == 0 || best == nullptr) return std::to_string(value.count);
  return std::to_string(value.count / best->factor).append(best->name);
}

std::string formatDuration(std::chrono::nanoseconds value) {
  auto rest = static_cast<uint64_t>(value.count() < 0 ? 0 : value.count());
  std::string text;
  for (const Unit& unit : kTimeUnits) {
    if (rest < unit.factor) continue;
    text.append(std::to_string(rest / unit.factor)).append(unit.name);
    rest %= unit.factor;
  }
  return text.empty() ? "0" : text;
}

}  // namespace logtail::base
