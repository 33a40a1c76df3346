#pragma once
// Little-endian and varint coding for everything logtail writes to disk or to a socket.
//
// Encoders append to a std::string. Decoder reads a view that must outlive it; the first read past
// the end makes it fail for good, so callers check ok() once at the end. Lengths are bounded by the
// view before they are trusted.

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace logtail::base {

static_assert(std::endian::native == std::endian::little,
              "on-disk integers are stored as they are");

template <typename T>
inline void putFixed(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
template <typename T>
inline void storeFixed(char* at, T value) {
  std::memcpy(at, &value, sizeof value);
}
template <typename T>
inline T loadFixed(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline constexpr size_t kMaxVarint = 10;  // bytes of the longest 64-bit LEB128

// Writes LEB128 at `at` (room for kMaxVarint bytes) and returns the position after it.
inline char* storeVarint(char* at, uint64_t value) {
  while (value >= 0x80) {
    *at++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<char>(value);
  return at;
}
inline void putVarint(std::string& out, uint64_t value) {
  char buffer[kMaxVarint];
  out.append(buffer, static_cast<size_t>(storeVarint(buffer, value) - buffer));
}
inline uint64_t zigzag(int64_t value) {
  return (static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63);
}
inline int64_t unzigzag(uint64_t value) {
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}
inline void putBytes(std::string& out, std::string_view bytes) {
  putVarint(out, bytes.size());
  out.append(bytes);
}

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  template <typename T>
  T fixed() {
    if (remaining() < sizeof(T)) return fail(), T{};
    T value = loadFixed<T>(at_);
    at_ += sizeof(T);
    return value;
  }
  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<uint8_t>(*at_++);
      if (shift == 63 && byte > 1) break;  // more than 64 bits
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail();
    return 0;
  }
  int64_t signedVarint() { return unzigzag(varint()); }
  // `length` raw bytes; the view points into the decoded bytes.
  std::string_view raw(uint64_t length) {
    if (length > remaining()) return fail(), std::string_view();
    std::string_view view(at_, length);
    at_ += length;
    return view;
  }
  // A varint length and that many bytes, at most `limit`.
  std::string_view bytes(uint64_t limit) {
    const uint64_t length = varint();
    if (length > limit) return fail(), std::string_view();
    return raw(length);
  }

  size_t remaining() const { return static_cast<size_t>(end_ - at_); }
  const char* at() const { return at_; }
  bool ok() const { return ok_; }
  void fail() {
    ok_ = false;
    at_ = end_;
  }

 private:
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace logtail::base
