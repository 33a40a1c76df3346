// What damage to a spool file costs: itself, counted, and no more.
#include <gtest/gtest.h>

#include <string>

#include "agent/spool.h"
#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/agent/files/memory_log_file.h"
#include "tests/support/crash_file_system.h"

namespace logtail::agent {
namespace {

using logtail::test::CrashFileSystem;
using test::headerOf;
using test::logBytes;
using test::MemoryLogFile;

constexpr uint64_t kLimit = 8 << 20;

class SpoolDamage : public testing::Test {
 protected:
  // A copy of `size` bytes; answers its path.
  std::string make(size_t size, uint64_t from = 0) {
    Spool spool(files_, "spool");
    MemoryLogFile source(logBytes(size, 1));
    const auto copy = spool.copy(headerOf("a", 1, from), source);
    EXPECT_TRUE(copy.ok());
    return (*copy)->path;
  }
  std::string contents(const std::string& path) { return *base::readFile(files_, path, kLimit); }
  void replace(const std::string& path, const std::string& bytes) {
    auto file = files_.open(path, base::OpenMode::kCreate);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->truncate(0).ok());
    ASSERT_TRUE((*file)->write(0, bytes).ok());
  }
  size_t headerBytes(const std::string& path) {
    return encodeSpoolHeader(*readSpoolHeader(files_, path)).size();
  }
  // Loads; what the copy still gives from `from` on, nothing when it is set aside.
  std::optional<std::string> loadAndRead(uint64_t from = 0) {
    Spool spool(files_, "spool");
    EXPECT_TRUE(spool.load().ok());
    const auto* copy = spool.find(headerOf("a", 1).description.key(), {1, 0});
    EXPECT_EQ(spool.counts().damagedFiles, copy == nullptr ? 1u : 0u);
    if (copy == nullptr) return std::nullopt;
    auto file = spool.open(*copy);
    EXPECT_TRUE(file.ok());
    std::string got = test::readFrom(**file, from);
    damaged_ = (*file)->damaged();
    return got;
  }

  CrashFileSystem files_;
  bool damaged_ = false;
};

TEST_F(SpoolDamage, AFlippedBitAnywhereIsNoticedAndCostsNoMoreThanItsPart) {
  const std::string path = make(200);
  const std::string whole = contents(path);
  const size_t header = headerBytes(path);
  for (size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    replace(path, bytes);
    (void)files_.remove(path + ".damaged");
    const auto got = loadAndRead();
    if (at < header) {
      EXPECT_EQ(got, std::nullopt) << at;
      EXPECT_TRUE(files_.info(path + ".damaged").ok()) << at;
    } else {
      EXPECT_EQ(got, "") << at;
      EXPECT_TRUE(damaged_) << at;
    }
  }
}

TEST_F(SpoolDamage, ATornFileIsNoticedAtEveryLength) {
  const std::string path = make(200);
  const std::string whole = contents(path);
  const size_t header = headerBytes(path);
  for (size_t size = 0; size < whole.size(); ++size) {
    replace(path, whole.substr(0, size));
    (void)files_.remove(path + ".damaged");
    const auto got = loadAndRead();
    EXPECT_EQ(got, size < header ? std::nullopt : std::optional<std::string>("")) << size;
  }
}

TEST_F(SpoolDamage, WholeChunksBeforeTheDamageAreReadFromTheFirstByteAsked) {
  const size_t size = 2 * kSpoolChunk + 50;
  const std::string path = make(size, 10'000);
  const std::string log = logBytes(size, 1);
  std::string bytes = contents(path);
  bytes[headerBytes(path) + kSpoolChunk + 4 + 17] ^= 1;  // in the second chunk
  replace(path, bytes);
  const uint64_t first = 10'000 - event::kTailBytes;
  EXPECT_EQ(loadAndRead(10'000), log.substr(10'000, first + kSpoolChunk - 10'000));
  EXPECT_TRUE(damaged_);
}

TEST_F(SpoolDamage, SwappedChunksDoNotPass) {
  const std::string path = make(2 * kSpoolChunk);
  std::string bytes = contents(path);
  const size_t header = headerBytes(path);
  const size_t stored = kSpoolChunk + 4;
  const std::string swapped = bytes.substr(0, header) + bytes.substr(header + stored, stored) +
                              bytes.substr(header, stored);
  replace(path, swapped);
  EXPECT_EQ(loadAndRead(), "");
}

TEST_F(SpoolDamage, ANewerVersionIsRefusedAndNothingIsTouched) {
  const std::string newer = make(200);
  std::string bytes = contents(newer);
  base::storeFixed(bytes.data() + 8, kSpoolVersion + 1);
  base::storeFixed(bytes.data() + 16, base::crc32c(std::string_view(bytes).substr(0, 16)));
  replace(newer, bytes);
  const std::string leftover = base::directoryOf(newer) + "/half.spool.tmp";
  const std::string damaged = base::directoryOf(newer) + "/aaa.spool";
  replace(leftover, "half");
  replace(damaged, "damaged");
  Spool spool(files_, "spool");
  const auto loaded = spool.load();
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.code(), base::Errc::kTooNew);
  EXPECT_NE(loaded.message().find("version " + std::to_string(kSpoolVersion + 1)),
            std::string::npos);
  EXPECT_EQ(contents(newer), bytes);
  EXPECT_EQ(contents(leftover), "half");
  EXPECT_EQ(contents(damaged), "damaged");
}

TEST_F(SpoolDamage, ADamagedFileIsSetAsideOnceAndThenGone) {
  const std::string path = make(200);
  replace(path, "no spool file");
  EXPECT_EQ(loadAndRead(), std::nullopt);
  EXPECT_TRUE(files_.info(path + ".damaged").ok());
  Spool spool(files_, "spool");
  ASSERT_TRUE(spool.load().ok());
  EXPECT_EQ(spool.counts().damagedFiles, 0u);
  EXPECT_FALSE(files_.info(path + ".damaged").ok());
}

TEST_F(SpoolDamage, AFileThatCannotBeReadNowIsLeftForTheNextStart) {
  const std::string path = make(200);
  files_.failWhen([](const logtail::test::Operation& operation) -> std::optional<base::Errc> {
    if (operation.kind != logtail::test::OpKind::kRead) return std::nullopt;
    return base::Errc::kStop;
  });
  EXPECT_EQ(loadAndRead(), std::nullopt);
  files_.failWhen(nullptr);
  EXPECT_EQ(loadAndRead(), logBytes(200, 1));
}

// The worked example of docs/spool-format.md.
TEST_F(SpoolDamage, TheFormatIsTheOneThatIsDocumented) {
  SpoolHeader header;
  header.description.node = "n";
  header.description.pod = "p";
  header.description.podUid = "u";
  header.description.container = "c";
  header.generation = {0x1122334455667788, 1};
  header.ordinal = 2;
  header.rotatedNanos = 1'000'000'000;
  header.from = 3;
  Spool spool(files_, "spool");
  MemoryLogFile source("hello\n");
  const auto copy = spool.copy(header, source);
  ASSERT_TRUE(copy.ok());
  EXPECT_TRUE((*copy)->path.ends_with("/1122334455667788-1-3.spool"));
  std::string hex;
  for (const char c : contents((*copy)->path)) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
    hex += digits;
  }
  EXPECT_EQ(hex,
            "4c5453504f4f4c0a0100000058000000d31e0b683ee503741e448ecf69b2cd2011e05bef88776655"
            "44332211010000000200000003000000000000000000000000000000060000000000000000ca9a3b"
            "00000000000000000c00000002016e050170060175070163c4969a4e68656c6c6f0abed83d35");
}

TEST_F(SpoolDamage, ACopyOfADamagedSourceTellsThatMoreWasThere) {
  Spool spool(files_, "spool");
  MemoryLogFile source(logBytes(500, 1), 300);
  ASSERT_TRUE(spool.copy(headerOf("a", 1), source).ok());
  const auto file = spool.open(spool.copies().begin()->second);
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(test::readFrom(**file, 0), logBytes(500, 1).substr(0, 300));
  char byte;
  EXPECT_EQ((*file)->readAt(300, {&byte, 1}).code(), base::Errc::kQuarantine);
  EXPECT_TRUE((*file)->damaged());
}

}  // namespace
}  // namespace logtail::agent
