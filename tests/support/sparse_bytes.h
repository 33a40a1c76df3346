#pragma once
// The bytes of a simulated file: pages that exist once written, zeros elsewhere.
// Copies share pages until one of them writes, so keeping a durable beside a volatile state, and a
// crash image beside both, costs only what differs. Thread: its owner's.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace logtail::test {

class SparseBytes {
 public:
  static constexpr uint64_t kPage = 4096;

  void read(uint64_t offset, std::span<char> into) const;
  void write(uint64_t offset, std::string_view bytes);
  void zeroFrom(uint64_t offset);
  bool hasPage(uint64_t page) const { return page < pages_.size() && pages_[page] != nullptr; }
  uint64_t pageCount() const { return pages_.size(); }  // one past the last that may exist

 private:
  using Page = std::array<char, kPage>;
  Page& writable(uint64_t page);

  std::vector<std::shared_ptr<Page>> pages_;
};

}  // namespace logtail::test
