// The worked bytes of docs/outputs/file.md, "Manifest": a change here is a change of what is on
// disk, and wants a new version.

#include <gtest/gtest.h>

#include "outputs/manifest_format.h"

namespace logtail::outputs {
namespace {

std::string unhex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

const std::string kHeader = unhex(
    "4c544f4d414e4931"  // "LTOMANI1"
    "01000000"          // version 1
    "0100000000000000"  // file number 1
    "2173aee6");        // crc

const std::string kSnapshot = unhex(
    "ff4f4df1"
    "08000000"  // 8 bytes
    "b4a4242a"
    "b46748d4"  // crc of the payload, of the 12 bytes before
    "01"
    "0001"    // snapshot, part 0 of 1
    "00"      // commit 0
    "00"      // no position
    "00"      // nothing of forgotten streams
    "0000");  // no files, no streams

const std::string kAnnounce = unhex(
    "ff4f4df1"
    "0a000000"  // 10 bytes
    "8bb73dc2"
    "020423d5"
    "02"
    "01"                  // announcement of 1 path
    "07732f772e6c6f67");  // "s/w.log"

const std::string kCommit = unhex(
    "ff4f4df1"
    "7c000000"  // 124 bytes
    "8facabab"
    "157b7298"
    "03"
    "01"  // commit 1
    "01"
    "0700000000000000"
    "01000000"
    "0200000000000000"
    "00000000"
    "00000000"  // position: queue 7, epoch 1, sequence 2, unit 0, record 0
    "02"
    "01"
    "32"
    "7777777777777777"  // forgotten: skipped 1 record, 50 bytes, digest
    "01"                // 1 file
    "07732f772e6c6f67"
    "00"
    "00"                // "s/w.log", number 0, no flags
    "2100000000000000"  // inode 33
    "ac02"              // 300 bytes
    "3333333333333333"  // hash of its tail
    "e803000000000000"  // created at 1000 ns
    "01"                // 1 stream
    "1111111111111111"
    "2222222222222222"
    "01"
    "02"
    "6e"
    "4444444444444444"  // delivered 2 records, 110 bytes, digest
    "01"                // 1 stream forgotten
    "5555555555555555"
    "6666666666666666");

CommitRecord worked() {
  CommitRecord commit;
  commit.number = 1;
  commit.position = wal::Position{7, 1, 2, 0, 0};
  commit.forgotten[Fate::kSkipped] = {1, 50, 0x7777777777777777};
  commit.files.push_back({"s/w.log", 0, 33, 300, 0x3333333333333333, 1000, false, false});
  StreamCounts counts;
  counts[Fate::kDelivered] = {2, 110, 0x4444444444444444};
  commit.counts.emplace_back(event::StreamKey{{0x1111111111111111, 0x2222222222222222}}, counts);
  commit.forget.push_back({{0x5555555555555555, 0x6666666666666666}});
  return commit;
}

TEST(GoldenManifest, IsWrittenAsTheDocumentSays) {
  EXPECT_EQ(encodeManifestHeader(1), kHeader);
  std::string snapshot;
  appendSnapshot({}, 64, snapshot);
  EXPECT_EQ(snapshot, kSnapshot);
  std::string announce;
  appendAnnounce({"s/w.log"}, announce);
  EXPECT_EQ(announce, kAnnounce);
  std::string commit;
  appendCommit(worked(), commit);
  EXPECT_EQ(commit, kCommit);
}

TEST(GoldenManifest, IsReadAsTheDocumentSays) {
  ManifestState state;
  ManifestReport report;
  ASSERT_TRUE(replayManifest(kHeader + kSnapshot + kAnnounce, state, report).ok());
  EXPECT_EQ(state.announced, (std::set<std::string>{"s/w.log"}));
  state = {};
  report = {};
  ASSERT_TRUE(replayManifest(kHeader + kSnapshot + kAnnounce + kCommit, state, report).ok());
  EXPECT_EQ(report.damagedRegions + report.tornBytes, 0u);
  EXPECT_FALSE(report.uncertain || report.incomplete);
  const CommitRecord commit = worked();
  EXPECT_EQ(state.number, 1u);
  EXPECT_EQ(state.progress.position, commit.position);
  EXPECT_EQ(state.progress.forgotten, commit.forgotten);
  EXPECT_EQ(state.progress.streams, (CountsMap{commit.counts[0]}));
  EXPECT_EQ(state.files, (std::map<std::string, FileEntry>{{"s/w.log", commit.files[0]}}));
  EXPECT_TRUE(state.announced.empty());
}

TEST(GoldenManifest, FlagsOfAFileAreOneByte) {
  CommitRecord commit;
  commit.files.push_back({"a", 0, 0, 0, 0, 0, true, true});
  std::string bytes;
  appendCommit(commit, bytes);
  // Kind, number, no position, no counts, one file, its name in two bytes, its number.
  EXPECT_EQ(bytes[kManifestRecordHeaderBytes + 8], 3);
}

}  // namespace
}  // namespace logtail::outputs
