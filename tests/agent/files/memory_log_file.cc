#include "tests/agent/files/memory_log_file.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace logtail::agent::test {

base::Result<size_t> MemoryLogFile::readAt(uint64_t offset, std::span<char> into) {
  const uint64_t end = damagedAt_.value_or(bytes_.size());
  if (damagedAt_ && offset >= end) return base::Error{base::Errc::kQuarantine, "damaged"};
  const size_t size = std::min<uint64_t>(into.size(), end - std::min(end, offset));
  std::memcpy(into.data(), bytes_.data() + offset, size);
  return size;
}

SpoolHeader headerOf(const std::string& pod, uint64_t fingerprint, uint64_t from) {
  SpoolHeader header;
  header.description.node = "n";
  header.description.pod = pod;
  header.description.podUid = "uid-" + pod;
  header.description.container = "c";
  header.generation = {fingerprint, 0};
  header.ordinal = 3;
  header.rotatedNanos = 1'796'212'800'000'000'000;
  header.from = from;
  return header;
}

std::string logBytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>('a' + random() % 26);
  return bytes;
}

std::string readFrom(LogFile& file, uint64_t offset) {
  std::string all;
  char piece[1000];
  for (;;) {
    const auto got = file.readAt(offset + all.size(), piece);
    if (!got.ok() || *got == 0) return all;
    all.append(piece, *got);
  }
}

}  // namespace logtail::agent::test
