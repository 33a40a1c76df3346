#include "agent/rotation_rate.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace logtail::agent {
namespace {

// "20261202-120001" in nanoseconds. The time zone is the node's, which cancels out between two.
std::optional<int64_t> parseDate(std::string_view text) {
  if (text.size() != 15 || text[8] != '-') return std::nullopt;
  const auto number = [text](size_t at, size_t length) {
    int value = -1;
    std::from_chars(text.data() + at, text.data() + at + length, value);
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(number(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(4, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(6, 2)))};
  const bool fits = day.year() >= std::chrono::year(1970) && day.year() < std::chrono::year(2200);
  if (!day.ok() || !fits) return std::nullopt;
  const auto time = std::chrono::sys_days(day).time_since_epoch() +
                    std::chrono::hours(number(9, 2)) + std::chrono::minutes(number(11, 2)) +
                    std::chrono::seconds(number(13, 2));
  return std::chrono::nanoseconds(time).count();
}

// A compressed file's own time is that of its compression, which the kubelet does a rotation later.
int64_t rotatedAt(const ListedLogFile& file) {
  return parseDate(file.timestamp).value_or(file.modifiedNanos);
}

}  // namespace

void RotationRate::note(std::span<const ListedLogFile> rotated) {
  if (rotated.empty()) return;
  const int64_t last = rotatedAt(rotated.back());
  int64_t before = last == lastAt_ ? 0 : lastAt_;
  if (rotated.size() > 1) before = rotatedAt(rotated[rotated.size() - 2]);
  if (before != 0 && before < last) betweenLast_ = last - before;
  lastAt_ = last;
  lastChange_ = rotated.back().modifiedNanos;
}

std::optional<base::Nanos> RotationRate::untilDeleted(uint32_t newer, uint32_t kept,
                                                      int64_t wallNanos) const {
  if (betweenLast_ == 0) return std::nullopt;
  const int64_t since = std::max<int64_t>(wallNanos - lastChange_, 0);
  const int64_t between = std::max(betweenLast_, since);
  const int64_t rotations = kept > newer ? kept - newer : 1;
  // A century is as good as never, and cannot overflow.
  constexpr int64_t kMost = int64_t{100} * 365 * 24 * 3600 * 1'000'000'000;
  if (between > kMost / rotations) return base::Nanos(kMost);
  return base::Nanos(std::max<int64_t>(rotations * between - since, 0));
}

}  // namespace logtail::agent
