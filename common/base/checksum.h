#pragma once
// The two checks of every format: CRC-32C over what is stored or sent, XXH3 for identity and
// digests.

#include <cstdint>
#include <string_view>

namespace logtail::base {

// CRC-32C (Castagnoli), as in RFC 3720; crc32c("123456789") == 0xe3069283. `seed` continues an
// earlier value: crc32c(b, crc32c(a)) == crc32c(ab).
uint32_t crc32c(std::string_view bytes, uint32_t seed = 0);
// The same from two values, without the bytes: crc32cOf(crc32c(a), crc32c(b), b.size()) ==
// crc32c(ab). Costs as much as reading some 10 KiB.
uint32_t crc32cOf(uint32_t first, uint32_t second, uint64_t secondBytes);

uint64_t hash64(std::string_view bytes);

struct Hash128 {
  uint64_t low = 0;
  uint64_t high = 0;
  auto operator<=>(const Hash128&) const = default;
};
Hash128 hash128(std::string_view bytes);

// Murmur3's 64-bit finaliser: a bijection that spreads every input bit.
inline uint64_t mix64(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdULL;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53ULL;
  value ^= value >> 33;
  return value;
}

}  // namespace logtail::base
