#include "tests/support/sparse_bytes.h"

#include <algorithm>
#include <cstring>

namespace logtail::test {

void SparseBytes::read(uint64_t offset, std::span<char> into) const {
  size_t done = 0;
  while (done < into.size()) {
    const uint64_t page = (offset + done) / kPage;
    const uint64_t at = (offset + done) % kPage;
    const size_t n = std::min<size_t>(into.size() - done, kPage - at);
    if (hasPage(page)) {
      std::memcpy(into.data() + done, pages_[page]->data() + at, n);
    } else {
      std::memset(into.data() + done, 0, n);
    }
    done += n;
  }
}

void SparseBytes::write(uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const uint64_t at = offset % kPage;
    const size_t n = std::min<size_t>(bytes.size(), kPage - at);
    std::memcpy(writable(offset / kPage).data() + at, bytes.data(), n);
    bytes.remove_prefix(n);
    offset += n;
  }
}

void SparseBytes::zeroFrom(uint64_t offset) {
  const uint64_t keep = (offset + kPage - 1) / kPage;
  if (keep < pages_.size()) pages_.resize(keep);
  const uint64_t at = offset % kPage;
  if (at != 0 && hasPage(offset / kPage)) {
    std::memset(writable(offset / kPage).data() + at, 0, kPage - at);
  }
}

SparseBytes::Page& SparseBytes::writable(uint64_t page) {
  if (page >= pages_.size()) pages_.resize(page + 1);
  std::shared_ptr<Page>& slot = pages_[page];
  if (slot == nullptr) {
    slot = std::make_shared<Page>();
    slot->fill('\0');
  } else if (slot.use_count() > 1) {
    slot = std::make_shared<Page>(*slot);
  }
  return *slot;
}

}  // namespace logtail::test
