#include "common/event/record.h"

#include <array>
#include <cstring>

namespace logtail::event {

std::string recordId(const StreamKey& stream, const GenerationId& generation, uint64_t offset) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  char identity[36];
  std::memcpy(identity, &stream.hash.low, 8);
  std::memcpy(identity + 8, &stream.hash.high, 8);
  std::memcpy(identity + 16, &generation.fingerprint, 8);
  std::memcpy(identity + 24, &generation.epoch, 4);
  std::memcpy(identity + 28, &offset, 8);
  const base::Hash128 hash = base::hash128({identity, sizeof identity});
  const std::array<uint64_t, 3> words = {hash.high, hash.low, 0};
  std::string text(22, '\0');
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t bit = i * 6;
    const size_t word = bit / 64;
    const size_t shift = bit % 64;
    uint64_t six = words[word] << shift;
    if (shift > 58) six |= words[word + 1] >> (64 - shift);
    text[i] = kAlphabet[six >> 58];
  }
  return text;
}

}  // namespace logtail::event
