#pragma once
// A unit: blocks and one compressed body with their records, decodable on its own.
//
// Flow: agent (UnitWriter) -> wire -> ledger (UnitView: headers only) -> queue, byte for byte ->
// outputs (UnitReader: records). Format: docs/wire-format.md, "Unit".

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/event/block.h"
#include "common/event/record.h"

namespace logtail::event {

inline constexpr size_t kMaxUnitRaw = 256 * 1024;  // body before compression
inline constexpr size_t kMaxUnitBlocks = 1024;
inline constexpr size_t kMaxUnitBytes = 900 * 1024;  // encoded
inline constexpr size_t kUnitHeaderBytes = 24;
inline constexpr uint8_t kUnitVersion = 1;

enum class Codec : uint8_t { kNone = 0, kZstd = 1 };

struct UnitHeader {
  uint32_t size = 0;  // whole unit, this header included
  uint32_t crc = 0;   // CRC-32C of bytes [8, size)
  uint8_t version = kUnitVersion;
  Codec codec = Codec::kZstd;
  uint16_t blocks = 0;
  uint32_t headerBytes = 0;  // of the block headers
  uint32_t rawBytes = 0;     // of the body, uncompressed
  uint32_t keyId = 0;        // 0: not encrypted
};

void store(const UnitHeader& header, char* at);  // kUnitHeaderBytes
// Reads the fixed header and checks every length against `bytes`, which starts with a unit; not the
// CRC. kTooNew for a newer version, kQuarantine for damage.
base::Result<UnitHeader> peekUnit(std::string_view bytes);
// kQuarantine when the CRC does not match.
base::Status checkUnit(std::string_view unit);

// The headers of a unit. `unit` must outlive it. parse() does not check the CRC.
class UnitView {
 public:
  static base::Result<UnitView> parse(std::string_view unit);
  const UnitHeader& header() const { return header_; }
  const std::vector<BlockHeader>& blocks() const { return blocks_; }
  std::string_view body() const { return body_; }  // as stored

 private:
  UnitHeader header_;
  std::vector<BlockHeader> blocks_;
  std::string_view body_;
};

// Decodes units one after another, reusing its buffers. Thread: one at a time.
class UnitReader {
 public:
  UnitReader();
  ~UnitReader();
  UnitReader(UnitReader&&) noexcept;
  UnitReader& operator=(UnitReader&&) noexcept;

  // Decompresses the body of `view`. kQuarantine when body and headers do not fit each other.
  base::Status open(const UnitView& view);
  // The records of block `index` into `out` (replaced). Messages point into this reader and live
  // until the next open(). kQuarantine on malformed columns. Does not check the digest: callers sum
  // what they deliver.
  base::Status readBlock(size_t index, std::vector<Record>& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace logtail::event
