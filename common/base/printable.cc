#include "common/base/printable.h"

#include <cstdint>

namespace logtail::base {
namespace {

struct Rune {
  char32_t value = 0;
  size_t bytes = 0;  // 0: no UTF-8 here
};

Rune decodeRune(std::string_view text) {
  const auto at = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  const size_t bytes = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (bytes == 0 || text.size() < bytes) return {};
  char32_t value = lead & (0xffu >> (bytes + 1));
  for (size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xc0) != 0x80) return {};
    value = value << 6 | (at(i) & 0x3fu);
  }
  constexpr char32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool isSurrogate = value >= 0xd800 && value <= 0xdfff;
  if (value < kLeast[bytes] || isSurrogate || value > 0x10ffff) return {};
  return {value, bytes};
}

bool actsOnATerminal(char32_t rune) {
  return rune < 0xa0 || rune == 0x61c || (rune >= 0x200e && rune <= 0x200f) ||
         (rune >= 0x2028 && rune <= 0x202e) || (rune >= 0x2066 && rune <= 0x2069) || rune == 0xfeff;
}

void appendByte(unsigned char byte, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  out += "\\x";
  out += kHex[byte >> 4];
  out += kHex[byte & 15];
}

}  // namespace

void appendPrintable(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte >= 0x20 && byte < 0x7f) || byte == '\t') {
      out += text[i++];
      continue;
    }
    const Rune rune = byte < 0x80 ? Rune{} : decodeRune(text.substr(i));
    if (rune.bytes > 0 && !actsOnATerminal(rune.value)) {
      out += text.substr(i, rune.bytes);
      i += rune.bytes;
      continue;
    }
    const size_t bytes = rune.bytes == 0 ? 1 : rune.bytes;
    for (size_t k = 0; k < bytes; ++k) appendByte(static_cast<unsigned char>(text[i + k]), out);
    i += bytes;
  }
}

}  // namespace logtail::base
