#include "common/base/checksum.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace logtail::base {
namespace {

std::string randomBytes(std::mt19937_64& random, size_t count) {
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST(Checksum, OfTwoPartsIsThatOfTheWhole) {
  std::mt19937_64 random(1);
  for (const size_t second : {0, 1, 2, 7, 8, 63, 64, 4095, 4096, 65'537, 1'000'003}) {
    const std::string a = randomBytes(random, random() % 100);
    const std::string b = randomBytes(random, second);
    EXPECT_EQ(crc32cOf(crc32c(a), crc32c(b), b.size()), crc32c(a + b)) << second;
  }
}

TEST(Checksum, OfTwoPartsContinuesASeed) {
  constexpr uint32_t kSalt = 0xdeadbeef;
  EXPECT_EQ(crc32cOf(kSalt, crc32c("payload"), 7), crc32c("payload", kSalt));
  EXPECT_EQ(crc32cOf(crc32c("head", kSalt), crc32c("payload"), 7), crc32c("headpayload", kSalt));
}

// Longer than any message: from zeros whose value doubling gives.
TEST(Checksum, OfTwoPartsTakesAnyLength) {
  uint32_t zeros = crc32c(std::string(1 << 20, '\0'));
  for (uint64_t bytes = 1 << 20; bytes < uint64_t{1} << 62; bytes *= 2) {
    const uint32_t twice = crc32cOf(zeros, zeros, bytes);
    EXPECT_EQ(crc32cOf(crc32cOf(5, zeros, bytes), zeros, bytes), crc32cOf(5, twice, 2 * bytes));
    zeros = twice;
  }
}

}  // namespace
}  // namespace logtail::base
