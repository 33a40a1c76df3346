#include "outputs/manifest.h"

#include <gtest/gtest.h>

#include "tests/outputs/manifest_kit.h"

namespace logtail::outputs {
namespace {

using base::Errc;
using test::CrashFileSystem;
using test::OpKind;

ManifestState loaded(base::FileSystem& disk) {
  Manifest manifest(disk, kManifestDirectory);
  ManifestReport report;
  auto state = manifest.load(report);
  EXPECT_TRUE(state.ok());
  EXPECT_EQ(report.damagedRegions + report.tornBytes, 0u);
  EXPECT_FALSE(report.uncertain || report.incomplete);
  return std::move(state).value();
}

TEST(Manifest, AnEmptyDirectoryIsAnOutputThatNeverRan) {
  CrashFileSystem disk;
  EXPECT_FALSE(Manifest::read(disk, kManifestDirectory)->position.has_value());
  auto manifest = begun(disk);
  EXPECT_FALSE(manifest->position().has_value());
}

TEST(Manifest, GivesBackWhatWasCommitted) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  ManifestChange first = delivered(1, 1, 10);
  first.files = {fileEntry("shop/web.log", 0, 500), fileEntry("shop/db.log", 3, 70)};
  ASSERT_TRUE(manifest->announce({"shop/web.log", "shop/db_3.log"}).ok());
  ASSERT_TRUE(manifest->commit(first).ok());
  ManifestChange second = delivered(2, 1, 5);
  second.counts[streamKey(2)][Fate::kSkipped] = {1, 2, 3};
  second.files = {fileEntry("shop/web.log", 0, 900), fileEntry("shop/db.log", 3, 70)};
  second.files[1].closed = true;
  ASSERT_TRUE(manifest->commit(second).ok());
  ASSERT_TRUE(manifest->announce({"shop/new.log"}).ok());

  const ManifestState state = loaded(disk);
  EXPECT_EQ(state.number, 2u);
  EXPECT_EQ(state.progress.position, positionAt(3));
  EXPECT_EQ(manifest->position(), positionAt(3));
  const auto& streams = state.progress.streams;
  EXPECT_EQ(streams.at(streamKey(1))[Fate::kDelivered], (Tally{15, 1500, 105}));
  EXPECT_EQ(streams.at(streamKey(2))[Fate::kSkipped], (Tally{1, 2, 3}));
  ASSERT_EQ(state.files.size(), 1u) << "a closed file is forgotten";
  EXPECT_EQ(state.files.at("shop/web.log"), fileEntry("shop/web.log", 0, 900));
  EXPECT_EQ(state.announced, (std::set<std::string>{"shop/new.log"}));
  EXPECT_EQ(Manifest::read(disk, kManifestDirectory)->streams, streams);
}

TEST(Manifest, AChangeWithoutAPositionKeepsIt) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  ASSERT_TRUE(manifest->commit(delivered(4, 1, 1)).ok());
  ASSERT_TRUE(manifest->commit({}).ok());
  EXPECT_EQ(loaded(disk).progress.position, positionAt(5));
}

TEST(Manifest, WhatAForgottenStreamCountedStaysInTheSum) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  ASSERT_TRUE(manifest->commit(delivered(1, 1, 10)).ok());
  ManifestChange change = delivered(2, 1, 5);  // its last ones come with the forgetting
  change.forget = {streamKey(1), streamKey(1), streamKey(99)};
  ASSERT_TRUE(manifest->commit(change).ok());
  ASSERT_TRUE(manifest->commit(delivered(3, 2, 1)).ok());
  for (const bool compacted : {false, true}) {
    if (compacted) manifest = begun(disk);
    const ManifestState state = loaded(disk);
    EXPECT_EQ(state.progress.forgotten[Fate::kDelivered], (Tally{15, 1500, 105}));
    EXPECT_EQ(state.progress.streams.size(), 1u);
    EXPECT_TRUE(state.progress.streams.contains(streamKey(2)));
  }
}

TEST(Manifest, StartsOverInANewFileWhenItGrewAndKeepsTheOneBefore) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  manifest->setCompactAt(2000);
  uint64_t most = 0;
  for (uint64_t n = 1; n <= 300; ++n) {
    ManifestChange change = delivered(n, n % 5, 1);
    change.files = {fileEntry("shop/web.log", 0, n * 10)};
    ASSERT_TRUE(manifest->commit(change).ok());
    const auto names = disk.list(kManifestDirectory).value();
    ASSERT_LE(names.size(), 2u);
    uint64_t bytes = 0;
    for (const auto& name : names) {
      bytes += disk.info(std::string(kManifestDirectory) + "/" + name)->size;
    }
    most = std::max(most, bytes);
    ASSERT_EQ(loaded(disk).progress.position, positionAt(n + 1));
  }
  EXPECT_LT(most, 10'000u) << "it grows without bound";
  const ManifestState state = loaded(disk);
  EXPECT_EQ(state.number, 300u);
  EXPECT_EQ(state.progress.streams.at(streamKey(0))[Fate::kDelivered].records, 60u);
}

TEST(Manifest, ASnapshotOfManyEntriesIsInSeveralRecords) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  ManifestChange change;
  change.position = positionAt(9);
  for (uint64_t n = 0; n < 500; ++n) {
    change.counts[streamKey(n)][Fate::kDelivered] = {n + 1, n, n};
    change.files.push_back(fileEntry("shop/p" + std::to_string(n) + ".log", 0, n));
  }
  ASSERT_TRUE(manifest->commit(change).ok());
  const ManifestState before = loaded(disk);
  EXPECT_EQ(before.files.size(), 500u);
  manifest = begun(disk);
  EXPECT_TRUE(same(loaded(disk), before));
}

TEST(Manifest, AfterAFailureNothingIsWrittenUntilItIsLoadedAgain) {
  for (const OpKind kind : {OpKind::kWrite, OpKind::kSyncData}) {
    CrashFileSystem disk;
    auto manifest = begun(disk);
    ASSERT_TRUE(manifest->commit(delivered(1, 1, 10)).ok());
    disk.failNth(kind, 0, Errc::kStop);
    EXPECT_FALSE(manifest->commit(delivered(2, 1, 10)).ok());
    const uint64_t writes = disk.count(OpKind::kWrite);
    EXPECT_EQ(manifest->commit(delivered(2, 1, 10)).code(), Errc::kRetry);
    EXPECT_EQ(manifest->announce({"a"}).code(), Errc::kRetry);
    EXPECT_EQ(disk.count(OpKind::kWrite), writes) << "the condemned descriptor was used";
    EXPECT_EQ(manifest->position(), positionAt(2)) << "as if it had been committed";
    manifest = begun(disk);
    EXPECT_TRUE(manifest->commit(delivered(2, 1, 10)).ok());
  }
}

TEST(Manifest, ACommitStandsWhenStartingOverFails) {
  CrashFileSystem disk;
  auto manifest = begun(disk);
  manifest->setCompactAt(1);
  uint64_t sequence = 1;
  for (; disk.list(kManifestDirectory)->size() < 2; ++sequence) {
    ASSERT_TRUE(manifest->commit(delivered(sequence, 1, 1)).ok());
  }
  base::setLogLevel(base::LogLevel::kError);
  disk.failWhen([](const test::Operation& operation) -> std::optional<Errc> {
    if (operation.kind != OpKind::kRename) return std::nullopt;
    return Errc::kStop;
  });
  base::Status done;
  for (; done.ok(); ++sequence) done = manifest->commit(delivered(sequence, 1, 1));
  // The last that went through is two before: one more was refused.
  EXPECT_EQ(done.code(), Errc::kRetry);
  EXPECT_EQ(loaded(*disk.crash(0)).progress.position, positionAt(sequence - 1));
}

}  // namespace
}  // namespace logtail::outputs
