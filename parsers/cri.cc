#include "parsers/cri.h"

#include <cstring>

namespace logtail::parsers {
namespace {

constexpr size_t kMinuteLength = 17;              // "YYYY-MM-DDTHH:MM:"
constexpr size_t kUsualTime = 30;                 // with nine digits and 'Z'
constexpr size_t kUsualHeader = kUsualTime + 10;  // " stdout F "

uint64_t load8(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

bool isDigit(char c) {
  return c >= '0' && c <= '9';
}

// Eight ASCII digits as a number; false when one is none.
bool parse8Digits(const char* at, uint32_t& out) {
  uint64_t word = load8(at);
  const uint64_t high = word & 0xf0f0f0f0f0f0f0f0ULL;
  const uint64_t over = (word + 0x0606060606060606ULL) & 0xf0f0f0f0f0f0f0f0ULL;
  if (high != 0x3030303030303030ULL || over != 0x3030303030303030ULL) return false;
  word -= 0x3030303030303030ULL;
  word = word * 10 + (word >> 8);
  constexpr uint64_t kMask = 0x000000ff000000ffULL;
  constexpr uint64_t kFirst = 100 + (uint64_t{1000000} << 32);
  constexpr uint64_t kSecond = 1 + (uint64_t{10000} << 32);
  out = static_cast<uint32_t>(((word & kMask) * kFirst + ((word >> 16) & kMask) * kSecond) >> 32);
  return true;
}

bool parseNumber(const char* at, size_t digits, int& out) {
  out = 0;
  for (size_t i = 0; i < digits; ++i) {
    if (!isDigit(at[i])) return false;
    out = out * 10 + (at[i] - '0');
  }
  return true;
}

// Days from 1970-01-01 of a proleptic Gregorian date.
int64_t daysFromCivil(int year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int era = year / 400;
  const int yearOfEra = year - era * 400;
  const int dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
  return int64_t{era} * 146097 + dayOfEra - 719468;
}

bool parseMinute(const char* at, CriTimeCache& cache) {
  int year, month, day, hour, minute;
  if (!parseNumber(at, 4, year) || at[4] != '-' || !parseNumber(at + 5, 2, month) || at[7] != '-' ||
      !parseNumber(at + 8, 2, day) || at[10] != 'T' || !parseNumber(at + 11, 2, hour) ||
      at[13] != ':' || !parseNumber(at + 14, 2, minute) || at[16] != ':') {
    return false;
  }
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  if (year < 1970 || year > 2261 || month < 1 || month > 12 || hour > 23 || minute > 59)
    return false;
  if (day < 1 || day > kDays[month - 1] + (month == 2 && leap ? 1 : 0)) return false;
  std::memcpy(cache.minute, at, kMinuteLength);
  cache.minuteSeconds = daysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60;
  return true;
}

bool findMinute(const char* at, CriTimeCache& cache) {
  // A cache that holds no minute yet holds zeros, which a line may hold as well.
  if (std::memcmp(at, cache.minute, kMinuteLength) == 0 && at[0] != '\0') return true;
  return parseMinute(at, cache);
}

// "+HH:MM" or "-HH:MM" in seconds.
bool parseOffset(const char* at, int64_t& seconds) {
  int hours, minutes;
  if (!parseNumber(at + 1, 2, hours) || at[3] != ':' || !parseNumber(at + 4, 2, minutes))
    return false;
  if (hours > 23 || minutes > 59) return false;
  seconds = hours * 3600 + minutes * 60;
  if (at[0] == '-') seconds = -seconds;
  return true;
}

CriResult parseGeneral(std::string_view line, CriTimeCache& cache, CriLine& out) {
  constexpr size_t kShortest = 20;  // "YYYY-MM-DDTHH:MM:SSZ"
  if (line.size() < kShortest || !findMinute(line.data(), cache)) return CriResult::kMalformed;
  int second;
  if (!parseNumber(line.data() + kMinuteLength, 2, second) || second > 60)
    return CriResult::kMalformed;
  size_t at = kMinuteLength + 2;
  int64_t nanos = 0;
  if (line[at] == '.') {
    ++at;
    const size_t first = at;
    int64_t scale = 100'000'000;
    while (at < line.size() && isDigit(line[at])) {
      nanos += (line[at++] - '0') * scale;
      scale /= 10;
    }
    if (at == first) return CriResult::kMalformed;
  }
  int64_t zone = 0;
  if (at < line.size() && line[at] == 'Z') {
    ++at;
  } else if (line.size() - at >= 6 && (line[at] == '+' || line[at] == '-')) {
    if (!parseOffset(line.data() + at, zone)) return CriResult::kMalformed;
    at += 6;
  } else {
    return CriResult::kMalformed;
  }
  out.timeNanos = (cache.minuteSeconds + second - zone) * 1'000'000'000 + nanos;
  if (out.timeNanos < 0) return CriResult::kMalformed;

  std::string_view rest = line.substr(at);
  if (rest.starts_with(" stdout ")) {
    out.isStderr = false;
  } else if (rest.starts_with(" stderr ")) {
    out.isStderr = true;
  } else {
    return CriResult::kMalformed;
  }
  rest.remove_prefix(8);
  const size_t tagsEnd = rest.find(' ');
  const std::string_view tags = rest.substr(0, tagsEnd);
  const std::string_view first = tags.substr(0, tags.find(':'));
  if (first != "F" && first != "P") return CriResult::kMalformed;
  out.partial = first == "P";
  const size_t used = at + 8 + tags.size() + (tagsEnd == std::string_view::npos ? 0 : 1);
  out.messageAt = static_cast<uint32_t>(used);
  return CriResult::kOk;
}

}  // namespace

CriResult parseCri(std::string_view line, CriTimeCache& cache, CriLine& out) {
  const char* at = line.data();
  if (line.size() < kUsualHeader || at[kUsualTime - 1] != 'Z' || at[19] != '.' ||
      at[kUsualHeader - 1] != ' ' || !findMinute(at, cache)) {
    return parseGeneral(line, cache, out);
  }
  uint32_t fraction;
  const unsigned tens = static_cast<unsigned char>(at[17]) - '0';
  const unsigned ones = static_cast<unsigned char>(at[18]) - '0';
  const unsigned last = static_cast<unsigned char>(at[28]) - '0';
  if (tens > 5 || ones > 9 || last > 9 || !parse8Digits(at + 20, fraction)) {
    return parseGeneral(line, cache, out);
  }
  // " stdout F " and its three siblings differ from each other in these eight bytes only.
  static constexpr char kTails[4][9] = {"stdout F", "stdout P", "stderr F", "stderr P"};
  const uint64_t tail = load8(at + kUsualTime + 1);
  for (unsigned i = 0; i < 4; ++i) {
    if (tail != load8(kTails[i]) || at[kUsualTime] != ' ') continue;
    out.timeNanos =
        (cache.minuteSeconds + tens * 10 + ones) * 1'000'000'000 + int64_t{fraction} * 10 + last;
    out.isStderr = i >= 2;
    out.partial = (i & 1) != 0;
    out.messageAt = kUsualHeader;
    return CriResult::kOk;
  }
  return parseGeneral(line, cache, out);
}

}  // namespace logtail::parsers
