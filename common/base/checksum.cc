#include "common/base/checksum.h"

#define XXH_INLINE_ALL
#include <isa-l/crc.h>
#include <xxhash.h>

namespace logtail::base {

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
