#include "outputs/utc_time.h"

#include <cstring>

namespace logtail::outputs {
namespace {

struct TwoDigits {
  char digits[100][2];
  constexpr TwoDigits() : digits() {
    for (unsigned i = 0; i < 100; ++i) {
      digits[i][0] = static_cast<char>('0' + i / 10);
      digits[i][1] = static_cast<char>('0' + i % 10);
    }
  }
};
constexpr TwoDigits kTwoDigits;

inline void storeTwo(unsigned value, char* at) {
  std::memcpy(at, kTwoDigits.digits[value], 2);
}

}  // namespace

// Howard Hinnant's civil_from_days, with eras of 400 years that begin on March 1st.
void storeDate(int64_t day, char* at) {
  const int64_t shifted = day + 719'468;
  const int64_t era = floorDivide(shifted, 146'097);
  const auto ofEra = static_cast<unsigned>(shifted - era * 146'097);
  const unsigned yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36'524 - ofEra / 146'096) / 365;
  const unsigned ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const unsigned marchMonth = (5 * ofYear + 2) / 153;
  const unsigned dayOfMonth = ofYear - (153 * marchMonth + 2) / 5 + 1;
  const unsigned month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const auto year = static_cast<unsigned>(era * 400 + yearOfEra + (month <= 2 ? 1 : 0));
  storeTwo(year / 100 % 100, at);
  storeTwo(year % 100, at + 2);
  at[4] = '-';
  storeTwo(month, at + 5);
  at[7] = '-';
  storeTwo(dayOfMonth, at + 8);
}

void storeSecond(int64_t second, char* at) {
  const int64_t day = floorDivide(second, kSecondsPerDay);
  const auto ofDay = static_cast<unsigned>(second - day * kSecondsPerDay);
  storeDate(day, at);
  at[10] = 'T';
  storeTwo(ofDay / 3600, at + 11);
  at[13] = ':';
  storeTwo(ofDay / 60 % 60, at + 14);
  at[16] = ':';
  storeTwo(ofDay % 60, at + 17);
}

void storeNanos(uint32_t nanos, char* at) {
  const uint32_t high = nanos / 100'000;  // four digits, then five
  const uint32_t low = nanos % 100'000;
  storeTwo(high / 100, at);
  storeTwo(high % 100, at + 2);
  storeTwo(low / 1000, at + 4);
  storeTwo(low / 10 % 100, at + 6);
  at[8] = static_cast<char>('0' + low % 10);
}

}  // namespace logtail::outputs
