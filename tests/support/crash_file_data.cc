#include "tests/support/crash_file_data.h"

#include <algorithm>

namespace logtail::test {

size_t CrashFileData::read(uint64_t offset, std::span<char> into) const {
  if (offset >= size_) return 0;
  const size_t n = std::min<uint64_t>(into.size(), size_ - offset);
  now_.read(offset, into.first(n));
  return n;
}

void CrashFileData::write(uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  now_.write(offset, bytes);
  size_ = std::max(size_, offset + bytes.size());
  events_.push_back({false, offset, std::string(bytes), size_});
}

void CrashFileData::truncate(uint64_t size) {
  const bool shrink = size < size_;
  if (shrink) now_.zeroFrom(size);
  reserved_ = std::min(reserved_, size);
  size_ = size;
  events_.push_back({shrink, 0, {}, size});
}

void CrashFileData::allocate(uint64_t size) {
  reserved_ = std::max(reserved_, size);
  size_ = std::max(size_, size);
  events_.push_back({false, 0, {}, size_});
}

std::set<uint64_t> CrashFileData::writtenSectors() const {
  std::set<uint64_t> sectors;
  for (const Event& event : events_) {
    if (event.bytes.empty()) continue;
    const uint64_t last = (event.offset + event.bytes.size() - 1) / kSector;
    for (uint64_t sector = event.offset / kSector; sector <= last; ++sector) sectors.insert(sector);
  }
  return sectors;
}

void CrashFileData::sync() {
  for (const Event& event : events_) {
    if (!event.shrink) continue;
    durable_.zeroFrom(event.sizeAfter);
    doubtful_.erase(doubtful_.lower_bound(event.sizeAfter / kSector), doubtful_.end());
  }
  Sector bytes(kSector, '\0');
  for (const uint64_t sector : writtenSectors()) {
    now_.read(sector * kSector, bytes);
    durable_.write(sector * kSector, bytes);
    doubtful_.erase(sector);
  }
  durableSize_ = size_;
  events_.clear();
}

void CrashFileData::failSync() {
  for (const uint64_t sector : writtenSectors()) {
    Sector bytes(kSector, '\0');
    now_.read(sector * kSector, bytes);
    doubtful_[sector] = std::move(bytes);
  }
  for (Event& event : events_) event.bytes.clear();
}

bool CrashFileData::touches(const Event& event, uint64_t sector) const {
  const uint64_t begin = sector * kSector;
  if (event.shrink) return event.sizeAfter < begin + kSector;
  return !event.bytes.empty() && event.offset < begin + kSector &&
         event.offset + event.bytes.size() > begin;
}

// The sector as `base` holds it, with the first `events` operations on top.
CrashFileData::Sector CrashFileData::sectorAfter(const SparseBytes& base, uint64_t sector,
                                                 uint64_t events) const {
  const uint64_t begin = sector * kSector;
  Sector bytes(kSector, '\0');
  base.read(begin, bytes);
  for (uint64_t i = 0; i < events; ++i) {
    const Event& event = events_[i];
    if (!touches(event, sector)) continue;
    if (event.shrink) {
      const uint64_t from = event.sizeAfter > begin ? event.sizeAfter - begin : 0;
      std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(), '\0');
      continue;
    }
    const uint64_t from = std::max(event.offset, begin);
    const uint64_t to = std::min(event.offset + event.bytes.size(), begin + kSector);
    bytes.replace(from - begin, to - from, event.bytes, from - event.offset, to - from);
  }
  return bytes;
}

// How many operations this sector shows: one of its versions, within what the shown size allows.
uint64_t CrashFileData::pickVersion(uint64_t sector, uint64_t sizeEvents, CrashDice& dice) const {
  uint64_t lower = 0;
  std::vector<uint64_t> versions;
  for (uint64_t i = 0; i < events_.size(); ++i) {
    if (!touches(events_[i], sector)) continue;
    if (!events_[i].shrink) {
      versions.push_back(i + 1);
    } else if (i < sizeEvents) {
      lower = i + 1;
      versions.clear();
    } else {
      break;
    }
  }
  const uint64_t shown = dice.cut(versions.size());
  return shown == 0 ? lower : versions[shown - 1];
}

CrashFileData CrashFileData::afterCrash(CrashDice& dice) const {
  SparseBytes base = durable_;
  for (const auto& [sector, bytes] : doubtful_) {
    if (dice.keep()) base.write(sector * kSector, bytes);
  }
  const uint64_t sizeEvents = dice.cut(events_.size());
  CrashFileData after;
  after.size_ = sizeEvents == 0 ? durableSize_ : events_[sizeEvents - 1].sizeAfter;
  after.now_ = base;
  for (uint64_t i = 0; i < sizeEvents; ++i) {
    if (events_[i].shrink) after.now_.zeroFrom(events_[i].sizeAfter);
  }
  for (const uint64_t sector : writtenSectors()) {
    const uint64_t begin = sector * kSector;
    if (begin >= after.size_) continue;
    const uint64_t version = pickVersion(sector, sizeEvents, dice);
    Sector bytes = sectorAfter(base, sector, version);
    if (version == 0 && begin >= durableSize_ && begin >= reserved_ && dice.stale()) {
      for (char& byte : bytes) byte = static_cast<char>(dice.next());
    }
    after.now_.write(begin, bytes);
  }
  after.now_.zeroFrom(after.size_);
  after.reserved_ = std::min(reserved_, after.size_);
  after.durable_ = after.now_;
  after.durableSize_ = after.size_;
  return after;
}

uint64_t CrashFileData::storedPages() const {
  uint64_t pages = reservedPages();
  for (uint64_t page = pages; page < now_.pageCount(); ++page) pages += now_.hasPage(page) ? 1 : 0;
  return pages;
}

uint64_t CrashFileData::pagesForWrite(uint64_t offset, uint64_t bytes) const {
  if (bytes == 0) return 0;
  uint64_t pages = 0;
  const uint64_t last = (offset + bytes - 1) / SparseBytes::kPage;
  for (uint64_t page = offset / SparseBytes::kPage; page <= last; ++page) {
    if (page >= reservedPages() && !now_.hasPage(page)) ++pages;
  }
  return pages;
}

}  // namespace logtail::test
