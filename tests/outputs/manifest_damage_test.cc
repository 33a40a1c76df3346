// A manifest that is torn or has flipped bytes anywhere: what is still known, and what is said.

#include <gtest/gtest.h>

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/outputs/manifest_kit.h"

namespace logtail::outputs {
namespace {

using base::Errc;
using test::CrashFileSystem;

struct Loaded {
  base::Result<ManifestState> state;
  ManifestReport report;
};

Loaded load(base::FileSystem& disk) {
  Manifest manifest(disk, kManifestDirectory);
  ManifestReport report;
  auto state = manifest.load(report);
  return {std::move(state), report};
}

// Manifest 1 with commits 1 to 3; manifest 2 with its snapshot and commits 4 to 7;
// `after[n]` is the state after commit n, `ends[n]` where its record ends in manifest 2.
class ManifestDamage : public testing::Test {
 protected:
  static constexpr uint64_t kFirst = 3;  // commit the second manifest begins at
  static constexpr uint64_t kLast = 7;

  ManifestDamage() {
    auto manifest = begun(disk);
    for (uint64_t n = 1; n <= kLast; ++n) {
      ManifestChange change = delivered(n, n % 3, n);
      change.files = {fileEntry("shop/p" + std::to_string(n % 4) + ".log", 0, n * 100)};
      if (n == 6) change.forget = {streamKey(2)};  // named by no later one
      EXPECT_TRUE(manifest->announce({"shop/n" + std::to_string(n) + ".log"}).ok());
      EXPECT_TRUE(manifest->commit(change).ok());
      after[n] = *load(disk).state;
      ends[n] = manifestBytes(disk, n <= kFirst ? 1 : 2).size();
      if (n != kFirst) continue;
      manifest = begun(disk);
      snapshotEnd = manifestBytes(disk, 2).size();
    }
    older = manifestBytes(disk, 1);
    bytes = manifestBytes(disk, 2);
  }

  void expectSound(const Loaded& found, size_t at) {
    ASSERT_TRUE(found.state.ok()) << at << ": " << found.state.message();
    EXPECT_GT(found.report.damagedRegions + found.report.tornBytes, 0u) << at << ": not counted";
  }

  CrashFileSystem disk;
  std::map<uint64_t, ManifestState> after;
  std::map<uint64_t, size_t> ends;
  size_t snapshotEnd = 0;
  std::string older;
  std::string bytes;
};

TEST_F(ManifestDamage, AFlippedByteAnywhereCostsNothingBeforeTheLastCommit) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const unsigned char mask : {0x01, 0x80, 0xff}) {
      std::string bad = bytes;
      bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ mask);
      writeManifest(disk, 2, bad);
      const Loaded found = load(disk);
      expectSound(found, at);
      // The last record is the newest commit; damaged, it looks like one a crash tore.
      const bool last = at >= ends[kLast - 1] && found.state->number == kLast - 1;
      EXPECT_TRUE(same(*found.state, after[last ? kLast - 1 : kLast])) << at;
      EXPECT_FALSE(found.report.uncertain) << at << ": nothing was hidden for good";
    }
  }
}

TEST_F(ManifestDamage, TornAnywhereItHoldsTheCommitsBefore) {
  for (size_t size = 0; size < bytes.size(); ++size) {
    writeManifest(disk, 2, bytes.substr(0, size));
    const Loaded found = load(disk);
    ASSERT_TRUE(found.state.ok()) << size;
    uint64_t whole = kFirst;
    while (whole < kLast && ends[whole + 1] <= size) ++whole;
    EXPECT_TRUE(same(*found.state, after[whole])) << size;
    EXPECT_FALSE(found.report.uncertain) << size;
    if (size < snapshotEnd) {
      EXPECT_GT(found.report.damagedRegions + found.report.tornBytes, 0u) << size;
    }
  }
}

TEST_F(ManifestDamage, TwoCommitsHiddenInARowAreUncertain) {
  for (uint64_t n = kFirst + 1; n + 1 < kLast; ++n) {
    std::string bad = bytes;
    for (const size_t end : {ends[n], ends[n + 1]}) bad[end - 1] ^= 1;
    writeManifest(disk, 2, bad);
    const Loaded found = load(disk);
    expectSound(found, n);
    EXPECT_TRUE(found.report.uncertain) << n;
    EXPECT_EQ(found.state->progress.position, after[kLast].progress.position) << n;
  }
}

// What follows the damage is no commit, so the newest one may have stood there.
TEST_F(ManifestDamage, DamageBeforeALastAnnouncementIsUncertain) {
  std::string bad = bytes;
  appendAnnounce({"shop/new.log"}, bad);
  bad[ends[kLast] - 1] ^= 1;
  writeManifest(disk, 2, bad);
  const Loaded found = load(disk);
  expectSound(found, ends[kLast]);
  EXPECT_TRUE(found.report.uncertain);
  EXPECT_TRUE(same(*found.state, after[kLast - 1]));
}

TEST_F(ManifestDamage, DamageBeforeTheSnapshotHidesNoCommit) {
  std::string bad = bytes.substr(0, snapshotEnd);
  appendAnnounce({"shop/new.log"}, bad);
  bad[3] ^= 1;
  writeManifest(disk, 2, bad);
  const Loaded found = load(disk);
  expectSound(found, 3);
  EXPECT_FALSE(found.report.uncertain);
  EXPECT_TRUE(found.state->announced.contains("shop/new.log"));
}

TEST_F(ManifestDamage, TheNewestOneLostAltogetherIsMadeUpForByTheOneBefore) {
  for (const std::string& bad : {std::string(), std::string(5000, '\xff'), bytes.substr(0, 30)}) {
    writeManifest(disk, 2, bad);
    const Loaded found = load(disk);
    ASSERT_TRUE(found.state.ok());
    EXPECT_TRUE(same(*found.state, after[kFirst]));
    EXPECT_TRUE(found.report.incomplete || found.report.damagedRegions > 0);
  }
}

TEST_F(ManifestDamage, WithoutASnapshotAndWithoutTheOneBeforeItIsUncertain) {
  ASSERT_TRUE(disk.remove(std::string(kManifestDirectory) + "/" + manifestName(1)).ok());
  std::string bad = bytes;
  bad[snapshotEnd - 1] ^= 1;
  writeManifest(disk, 2, bad);
  const Loaded found = load(disk);
  expectSound(found, snapshotEnd);
  EXPECT_TRUE(found.report.uncertain);
  EXPECT_EQ(found.state->progress.position, after[kLast].progress.position);
}

TEST(ManifestDamageToOnePart, OfALargeSnapshotIsMadeUpForByTheOneBefore) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  ManifestChange change;
  change.position = positionAt(9);
  for (uint64_t n = 0; n < 200; ++n) change.counts[streamKey(n)][Fate::kDelivered] = {n + 1, n, n};
  ASSERT_TRUE(manifest->commit(change).ok());
  manifest = begun(disk);
  const size_t snapshot = manifestBytes(disk, 2).size();
  ASSERT_TRUE(manifest->commit(delivered(9, 1, 1)).ok());
  const ManifestState whole = *load(disk).state;
  const std::string bytes = manifestBytes(disk, 2);
  for (size_t at = 0; at < snapshot; at += 97) {
    std::string bad = bytes;
    bad[at] ^= 1;
    writeManifest(disk, 2, bad);
    const Loaded found = load(disk);
    ASSERT_TRUE(found.state.ok());
    EXPECT_EQ(found.report.damagedRegions, 1u) << at;
    EXPECT_FALSE(found.report.uncertain) << at;
    EXPECT_TRUE(same(*found.state, whole)) << at;
  }
  // The one before lost its commit: it is not what the snapshot was made of.
  const std::string older = manifestBytes(disk, 1);
  writeManifest(disk, 1, older.substr(0, older.size() - 1));
  EXPECT_TRUE(load(disk).report.uncertain);
}

// The first commit of a manifest repeats none of the one before.
TEST_F(ManifestDamage, WithoutASnapshotAndWithATornOneBeforeItIsUncertain) {
  std::string bad = bytes;
  bad[snapshotEnd - 1] ^= 1;
  writeManifest(disk, 2, bad);
  EXPECT_FALSE(load(disk).report.uncertain);
  writeManifest(disk, 1, older.substr(0, older.size() - 1));
  const Loaded found = load(disk);
  expectSound(found, snapshotEnd);
  EXPECT_TRUE(found.report.uncertain);
}

TEST_F(ManifestDamage, DamageToBothIsCountedForBoth) {
  std::string bad = bytes;
  bad[snapshotEnd - 1] ^= 1;
  writeManifest(disk, 2, bad);
  const uint64_t once = load(disk).report.damagedRegions;
  std::string worse = older;
  worse[ends[1] - 1] ^= 1;
  writeManifest(disk, 1, worse);
  const Loaded found = load(disk);
  EXPECT_EQ(found.report.damagedRegions, once + 1);
  EXPECT_TRUE(same(*found.state, after[kLast])) << "the second commit repeats the first";
}

std::map<std::string, std::string> everything(base::FileSystem& disk) {
  std::map<std::string, std::string> files;
  const auto names = disk.list(kManifestDirectory);
  for (const std::string& name : *names) {
    files[name] =
        base::readFile(disk, std::string(kManifestDirectory) + "/" + name, 1 << 30).value();
  }
  return files;
}

TEST_F(ManifestDamage, ANewerVersionIsRefusedAndNothingIsTouched) {
  std::string newer = bytes;
  base::storeFixed(newer.data() + 8, kManifestVersion + 1);
  base::storeFixed(newer.data() + 20, base::crc32c({newer.data(), 20}));
  writeManifest(disk, 2, newer);
  const auto before = everything(disk);
  const uint64_t operations = disk.operations();
  const Loaded found = load(disk);
  ASSERT_FALSE(found.state.ok());
  EXPECT_EQ(found.state.code(), Errc::kTooNew);
  EXPECT_NE(found.state.message().find("version 2"), std::string::npos) << found.state.message();
  EXPECT_EQ(Manifest::read(disk, kManifestDirectory).code(), Errc::kTooNew);
  EXPECT_EQ(everything(disk), before);
  EXPECT_EQ(disk.operations(), operations);
}

TEST_F(ManifestDamage, ARecordOfANewerKindIsRefused) {
  // As appendRecord() frames it; what it holds is none of this version's business.
  const std::string payload = "\x04 something new";
  std::string record;
  base::putFixed(record, uint32_t{0xf14d4fff});
  base::putFixed(record, static_cast<uint32_t>(payload.size()));
  base::putFixed(record, base::crc32c(payload));
  base::putFixed(record, base::crc32c(record));
  writeManifest(disk, 2, bytes + record + payload);
  EXPECT_EQ(load(disk).state.code(), Errc::kTooNew);
  for (size_t at = 0; at < record.size() + payload.size(); ++at) {
    std::string bad = bytes + record + payload;
    bad[bytes.size() + at] ^= 0x10;
    writeManifest(disk, 2, bad);
    const Loaded found = load(disk);
    expectSound(found, at);
    EXPECT_TRUE(same(*found.state, after[kLast])) << at;
  }
}

TEST_F(ManifestDamage, OtherFilesInTheDirectoryAreNotRead) {
  for (const char* name :
       {"manifest.0000000000000009.tmp", "manifest.9", "manifest.zzzzzzzzzzzzzzzz", "readme"}) {
    ASSERT_TRUE(
        base::writeFileAtomically(disk, std::string(kManifestDirectory) + "/" + name, "theirs")
            .ok());
  }
  EXPECT_TRUE(same(*load(disk).state, after[kLast]));
}

}  // namespace
}  // namespace logtail::outputs
