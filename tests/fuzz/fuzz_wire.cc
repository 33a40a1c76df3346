// Any bytes as a connection, cut into reads of any size: whole messages that mean the same when
// they are encoded again, or one error; never a read beyond what came. The first byte chooses the
// size of the reads and whether the CRCs are made right first, so that the decoders behind them are
// reached.

#include <cstddef>
#include <cstdint>

#include "common/base/coding.h"
#include "tests/wire/transcript.h"

namespace {

using namespace logtail;

constexpr uint8_t kRepairCrcs = 0x80;

void repairCrcs(std::string& bytes) {
  for (size_t at = 0; bytes.size() - at >= wire::kFramePrefixBytes;) {
    char* header = bytes.data() + at;
    const auto length = base::loadFixed<uint32_t>(header);
    const size_t left = bytes.size() - at - wire::kMessageHeaderBytes;
    if (length > left) return;
    const bool frame = header[4] == static_cast<char>(wire::MessageType::kFrame);
    const size_t checked = frame ? wire::kFrameHeadBytes : length;
    const uint32_t crc = wire::messageCrc(header, {header + wire::kMessageHeaderBytes, checked});
    base::storeFixed(header + 8, crc);
    at += wire::kMessageHeaderBytes + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t step = data[0] & 0x7f;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & kRepairCrcs) != 0) repairCrcs(bytes);
  const wire::Transcript got = wire::read(bytes, step == 0 ? SIZE_MAX : step);
  for (const std::string& message : got.messages) {
    if (message.empty()) continue;  // malformed: the last one
    const wire::Transcript again = wire::read(message);
    LOGTAIL_ASSERT(again.error.empty());
    LOGTAIL_ASSERT(again.messages.size() == 1 && again.messages[0] == message);
  }
  return 0;
}
