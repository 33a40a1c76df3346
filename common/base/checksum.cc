#include "common/base/checksum.h"

#define XXH_INLINE_ALL
#include <isa-l/crc.h>
#include <xxhash.h>

#include <array>

namespace logtail::base {
namespace {

// Polynomials over GF(2) modulo the CRC's, bits reflected: the highest one is x^0.
constexpr uint32_t kOne = 0x80000000;
constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr uint32_t multiply(uint32_t a, uint32_t b) {
  uint32_t product = 0;
  for (int i = 0; i < 32; ++i) {
    product ^= b & (0 - (a >> 31));
    a <<= 1;
    b = (b >> 1) ^ (kPolynomial & (0 - (b & 1)));
  }
  return product;
}

// x^8, x^16, x^32, …: one zero byte behind a message, two, four, …
constexpr std::array<uint32_t, 64> makeZeroBytes() {
  std::array<uint32_t, 64> powers{kOne >> 8};
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = multiply(powers[i - 1], powers[i - 1]);
  return powers;
}
constexpr std::array<uint32_t, 64> kZeroBytes = makeZeroBytes();

}  // namespace

uint32_t crc32cOf(uint32_t first, uint32_t second, uint64_t secondBytes) {
  for (size_t i = 0; secondBytes != 0; ++i, secondBytes >>= 1) {
    if ((secondBytes & 1) != 0) first = multiply(kZeroBytes[i], first);
  }
  return first ^ second;
}

uint32_t crc32c(std::string_view bytes, uint32_t seed) {
  // ISA-L leaves the pre- and post-inversion to the caller, and takes int lengths.
  uint32_t crc = ~seed;
  constexpr size_t kStep = size_t{1} << 30;
  while (!bytes.empty()) {
    const std::string_view step = bytes.substr(0, kStep);
    crc = crc32_iscsi(reinterpret_cast<unsigned char*>(const_cast<char*>(step.data())),
                      static_cast<int>(step.size()), crc);
    bytes.remove_prefix(step.size());
  }
  return ~crc;
}

uint64_t hash64(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

Hash128 hash128(std::string_view bytes) {
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return {hash.low64, hash.high64};
}

}  // namespace logtail::base
