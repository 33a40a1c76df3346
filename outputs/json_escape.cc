#include "outputs/json_escape.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace logtail::outputs {
namespace {

// Copies kBytes bytes. Bit i is set when byte i needs a look: a control character, '"', '\\' or
// beyond ASCII.
#if defined(__SSE2__)
template <size_t kBytes>
inline uint32_t copyStep(const char* from, char* to) {
  static_assert(kBytes == 16 || kBytes == 8);
  __m128i bytes;
  if constexpr (kBytes == 16) {
    bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  } else {
    bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
  }
  // Signed: control characters and everything beyond ASCII are below 0x20.
  const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const int mask = _mm_movemask_epi8(_mm_or_si128(low, _mm_or_si128(quote, backslash)));
  return static_cast<uint32_t>(mask) & ((1u << kBytes) - 1);
}
#else
template <size_t kBytes>
inline uint32_t copyStep(const char* from, char* to) {
  uint32_t mask = 0;
  for (size_t i = 0; i < kBytes; ++i) {
    const auto byte = static_cast<unsigned char>(from[i]);
    to[i] = from[i];
    mask |= uint32_t{byte < 0x20 || byte >= 0x80 || byte == '"' || byte == '\\'} << i;
  }
  return mask;
}
#endif

// Bytes of the well-formed UTF-8 sequence at `at` (Unicode, table 3-7); else 0, with `bad` the
// length of the maximal subpart that one U+FFFD stands for.
size_t sequenceLength(const char* at, size_t left, size_t& bad) {
  const auto byte = [at](size_t i) { return static_cast<unsigned char>(at[i]); };
  const unsigned char lead = byte(0);
  bad = 1;
  size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
  } else {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if (i >= left || byte(i) < low || byte(i) > high) return 0;
    low = 0x80;
    high = 0xbf;
    bad = i + 1;
  }
  return length;
}

// The letter after the backslash of each control character; 'u' for those without one of their own.
constexpr std::array<char, 32> kLetters = {'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n',
                                           'u', 'f', 'r', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
                                           'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u'};

char* storeAscii(unsigned char byte, char* at) {
  static constexpr char kHex[] = "0123456789abcdef";
  if (byte >= 0x20) {
    if (byte == '"' || byte == '\\') *at++ = '\\';
    *at++ = static_cast<char>(byte);
    return at;
  }
  *at++ = '\\';
  *at++ = kLetters[byte];
  if (kLetters[byte] != 'u') return at;
  const char rest[4] = {'0', '0', kHex[byte >> 4], kHex[byte & 15]};
  std::memcpy(at, rest, sizeof rest);
  return at + sizeof rest;
}

// Writes all that needs a look from `from` on, until a plain byte or the end; at least one.
char* storeSpecial(const char*& from, const char* end, char* at) {
  while (from != end) {
    const auto byte = static_cast<unsigned char>(*from);
    if (byte < 0x80) {
      if (byte >= 0x20 && byte != '"' && byte != '\\') return at;
      at = storeAscii(byte, at);
      ++from;
      continue;
    }
    size_t bad = 1;
    const size_t length = sequenceLength(from, static_cast<size_t>(end - from), bad);
    if (length == 0) {
      at = std::copy_n("\xef\xbf\xbd", 3, at);
      from += bad;
      continue;
    }
    for (size_t i = 0; i < length; ++i) *at++ = *from++;
  }
  return at;
}

// In steps of kBytes, as long as there are that many.
template <size_t kBytes>
inline char* storeSteps(const char*& from, const char* end, char* at) {
  while (static_cast<size_t>(end - from) >= kBytes) {
    const uint32_t mask = copyStep<kBytes>(from, at);
    if (mask == 0) {
      from += kBytes;
      at += kBytes;
      continue;
    }
    const auto plain = static_cast<size_t>(std::countr_zero(mask));
    from += plain;
    at += plain;
    if (*from == '"' || *from == '\\') {  // by far the most frequent, and mostly alone
      *at++ = '\\';
      *at++ = *from++;
    } else {
      at = storeSpecial(from, end, at);
    }
  }
  return at;
}

}  // namespace

char* storeEscaped(std::string_view text, char* at) {
  const char* from = text.data();
  const char* const end = from + text.size();
  at = storeSteps<16>(from, end, at);
  at = storeSteps<8>(from, end, at);
  while (from != end) {
    const auto byte = static_cast<unsigned char>(*from);
    if (byte >= 0x20 && byte < 0x80) {
      at = storeAscii(byte, at);
      ++from;
    } else {
      at = storeSpecial(from, end, at);
    }
  }
  return at;
}

void appendEscaped(std::string_view text, std::string& out) {
  const size_t size = out.size();
  out.resize(size + maxEscaped(text.size()));
  char* const end = storeEscaped(text, out.data() + size);
  out.resize(static_cast<size_t>(end - out.data()));
}

}  // namespace logtail::outputs
