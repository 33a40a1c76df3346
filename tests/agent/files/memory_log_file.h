#pragma once
// A log whose bytes are in memory, and spool headers for it.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "agent/log_file.h"
#include "agent/spool_file.h"

namespace logtail::agent::test {

class MemoryLogFile final : public LogFile {
 public:
  // Behind `damagedAt` nothing can be had.
  explicit MemoryLogFile(std::string bytes, std::optional<uint64_t> damagedAt = std::nullopt)
      : LogFile(7), bytes_(std::move(bytes)), damagedAt_(damagedAt) {}

  base::Result<size_t> readAt(uint64_t offset, std::span<char> into) override;
  std::optional<uint64_t> size() const override { return bytes_.size(); }
  bool damaged() const override { return damagedAt_.has_value(); }
  uint64_t diskBytes() const override { return bytes_.size(); }

 private:
  const std::string bytes_;
  const std::optional<uint64_t> damagedAt_;
};

// Of generation `fingerprint` of the stream of pod `pod`.
SpoolHeader headerOf(const std::string& pod, uint64_t fingerprint, uint64_t from = 0);
// `size` bytes that differ with `seed` and from place to place.
std::string logBytes(size_t size, unsigned seed);
// All that can be read from `offset` on.
std::string readFrom(LogFile& file, uint64_t offset);

}  // namespace logtail::agent::test
