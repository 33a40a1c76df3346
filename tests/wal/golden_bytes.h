#pragma once
// Golden files, and their bytes explained field by field.

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace logtail {

// A file of the source tree.
inline std::string goldenFile(const std::string& path) {
  std::ifstream in(std::string(LOGTAIL_SOURCE_DIR) + "/" + path, std::ios::binary);
  EXPECT_TRUE(in.is_open()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

// Reads `bytes` from the front: each field is what its hexadecimal digits say, and nothing is left.
class Explained {
 public:
  explicit Explained(std::string_view bytes) : bytes_(bytes) {}
  ~Explained() { EXPECT_EQ(at_, bytes_.size()) << "not all is explained"; }

  Explained& field(std::string_view hex, const char* what) {
    std::string got;
    for (size_t i = 0; i < hex.size() / 2 && at_ < bytes_.size(); ++i, ++at_) {
      static constexpr char kDigits[] = "0123456789abcdef";
      got += kDigits[static_cast<uint8_t>(bytes_[at_]) >> 4];
      got += kDigits[static_cast<uint8_t>(bytes_[at_]) & 15];
    }
    EXPECT_EQ(got, hex) << what << ", before byte " << at_;
    return *this;
  }
  Explained& zerosTo(size_t offset) {
    for (; at_ < offset && at_ < bytes_.size(); ++at_) EXPECT_EQ(bytes_[at_], '\0') << at_;
    EXPECT_EQ(at_, offset);
    return *this;
  }

 private:
  std::string_view bytes_;
  size_t at_ = 0;
};

}  // namespace logtail
