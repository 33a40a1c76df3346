// Any bytes as a checkpoint: start-up succeeds or names the newer version; what was understood is
// saved and loaded again without damage. The first byte chooses whether the CRCs are made right
// first.

#include <cstddef>
#include <cstdint>

#include "agent/checkpoint_store.h"
#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace {

using namespace logtail;

constexpr size_t kHeaderBytes = 20;
constexpr size_t kEntryHeaderBytes = 12;

void repairCrcs(std::string& bytes) {
  if (bytes.size() < kHeaderBytes) return;
  base::storeFixed(bytes.data() + 16, base::crc32c({bytes.data(), 16}));
  for (size_t at = kHeaderBytes; bytes.size() - at >= kEntryHeaderBytes;) {
    char* entry = bytes.data() + at;
    const auto length = base::loadFixed<uint32_t>(entry + 4);
    if (length > bytes.size() - at - kEntryHeaderBytes) return;
    const uint32_t crc =
        base::crc32c({entry + kEntryHeaderBytes, length}, base::crc32c({entry + 4, 4}));
    base::storeFixed(entry + 8, crc);
    at += kEntryHeaderBytes + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1) != 0) repairCrcs(bytes);
  test::FakeClock clock;
  test::CrashFileSystem files;
  LOGTAIL_ASSERT(files.createDirectories("/state").ok());
  LOGTAIL_ASSERT(base::writeFileAtomically(files, "/state/checkpoint", bytes).ok());

  agent::CheckpointStore store(files, clock, "/state");
  const base::Status loaded = store.load();
  LOGTAIL_ASSERT(!store.fresh());
  if (!loaded.ok()) {
    LOGTAIL_ASSERT(loaded.code() == base::Errc::kTooNew);
    return 0;
  }
  LOGTAIL_ASSERT(store.save().ok());
  agent::CheckpointStore again(files, clock, "/state");
  LOGTAIL_ASSERT(again.load().ok());
  LOGTAIL_ASSERT(again.damagedEntries() == 0);
  LOGTAIL_ASSERT(again.lastStats() == store.lastStats());
  store.forEach([&](const event::StreamKey& key, const agent::CheckpointStore::Entry& entry) {
    const auto* other = again.find(key);
    LOGTAIL_ASSERT(other != nullptr && other->resume == entry.resume);
    LOGTAIL_ASSERT(other->queueId == entry.queueId && other->description == entry.description);
    LOGTAIL_ASSERT(other->ended == entry.ended);
  });
  return 0;
}
