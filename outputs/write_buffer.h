#pragma once
// A growing buffer that hands out raw room: what an encoder writes to. Its owner's thread.

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace logtail::outputs {

class WriteBuffer {
 public:
  WriteBuffer() = default;
  WriteBuffer(WriteBuffer&& other) noexcept { *this = std::move(other); }
  WriteBuffer& operator=(WriteBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }

  // Room for `bytes` behind what was written.
  char* reserve(size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return data_.get() + size_;
  }
  void setEnd(const char* end) { size_ = static_cast<size_t>(end - data_.get()); }

  std::string_view view() const { return {data_.get(), size_}; }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  void clear() { size_ = 0; }

 private:
  static constexpr size_t kFirst = 2048;

  void grow(size_t bytes) {
    const size_t capacity = std::max({kFirst, 2 * capacity_, size_ + bytes});
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace logtail::outputs
