#include "common/event/record.h"

#include <cstring>

namespace logtail::event {

namespace {

// Two characters for each value of twelve bits.
struct PairTable {
  char pairs[4096][2];
  constexpr PairTable() : pairs() {
    constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (unsigned i = 0; i < 4096; ++i) {
      pairs[i][0] = kAlphabet[i >> 6];
      pairs[i][1] = kAlphabet[i & 63];
    }
  }
};
constexpr PairTable kPairTable;

}  // namespace

void storeRecordId(const StreamKey& stream, const GenerationId& generation, uint64_t offset,
                   char* at) {
  char identity[36];
  std::memcpy(identity, &stream.hash.low, 8);
  std::memcpy(identity + 8, &stream.hash.high, 8);
  std::memcpy(identity + 16, &generation.fingerprint, 8);
  std::memcpy(identity + 24, &generation.epoch, 4);
  std::memcpy(identity + 28, &offset, 8);
  const base::Hash128 hash = base::hash128({identity, sizeof identity});
  const auto put = [at](unsigned pair, uint64_t twelveBits) {
    std::memcpy(at + 2 * size_t{pair}, kPairTable.pairs[twelveBits & 0xfff], 2);
  };
  for (unsigned i = 0; i < 5; ++i) put(i, hash.high >> (52 - 12 * i));
  put(5, (hash.high << 8) | (hash.low >> 56));
  for (unsigned i = 0; i < 4; ++i) put(6 + i, hash.low >> (44 - 12 * i));
  put(10, hash.low << 4);
}

std::string recordId(const StreamKey& stream, const GenerationId& generation, uint64_t offset) {
  std::string text(kRecordIdChars, '\0');
  storeRecordId(stream, generation, offset, text.data());
  return text;
}

}  // namespace logtail::event
