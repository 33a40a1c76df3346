// The worked bytes of docs/checkpoint-format.md: a change here is a change of what is on disk, and
// wants a new version.

#include <gtest/gtest.h>

#include "agent/checkpoint_store.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::agent {
namespace {

const std::string kFile = "/state/checkpoint";
constexpr event::StreamKey kStream{{1, 2}};

std::string unhex(std::string_view text) {
  std::string bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}
std::string hex(std::string_view bytes) {
  std::string text;
  for (const unsigned char byte : bytes) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

// One generation read to byte 100, an open record on stdout since byte 80.
event::BlockHeader block() {
  event::BlockHeader header;
  header.stream = kStream;
  header.generation = {0x1122334455667788, 0};
  header.ordinal = 3;
  header.to = 100;
  header.tailHash = 0x0102030405060708;
  header.channels[0] = {event::ChannelState::Kind::kOpen, header.generation, 80};
  return header;
}

const std::string kGolden = unhex(
    "4c54434b50543031"                  // LTCKPT01
    "01000000"                          // version 1
    "01000000"                          // 1 entry
    "c3d8783b"                          // crc
    "4c544345"                          // LTCE
    "48000000"                          // 72 bytes
    "6a0cbdb8"                          // crc
    "01"                                // a stream
    "01000000000000000200000000000000"  // key
    "00"                                // not ended
    "0700000000000000"                  // queue 7
    "03706f64"                          // "pod"
    "0000000000000000"                  // start_time_ns 0
    "01"                                // stdout: open
    "8877665544332211"                  // generation's fingerprint
    "00"                                // epoch 0
    "50"                                // offset 80
    "00"                                // open_bytes 0
    "00"                                // stderr: none
    "01"                                // 1 generation
    "8877665544332211"                  // fingerprint
    "00"                                // epoch 0
    "03"                                // ordinal 3
    "64"                                // to 100
    "0807060504030201"                  // tail_hash
    "00");                              // no flags

TEST(CheckpointGolden, IsWrittenAsDocumented) {
  test::FakeClock clock;
  test::CrashFileSystem files;
  CheckpointStore store(files, clock, "/state");
  ASSERT_TRUE(store.load().ok());
  store.describe(kStream, "pod");
  store.acknowledged(block(), 7);
  ASSERT_TRUE(store.save().ok());
  EXPECT_EQ(hex(*base::readFile(files, kFile, 1 << 20)), hex(kGolden));
}

TEST(CheckpointGolden, IsReadAsDocumented) {
  test::FakeClock clock;
  test::CrashFileSystem files;
  ASSERT_TRUE(files.createDirectories("/state").ok());
  ASSERT_TRUE(base::writeFileAtomically(files, kFile, kGolden).ok());
  CheckpointStore store(files, clock, "/state");
  ASSERT_TRUE(store.load().ok());
  EXPECT_EQ(store.damagedEntries(), 0u);
  const auto* entry = store.find(kStream);
  ASSERT_NE(entry, nullptr);
  EXPECT_EQ(entry->description, "pod");
  EXPECT_EQ(entry->queueId, 7u);
  EXPECT_FALSE(entry->ended);
  ASSERT_EQ(entry->resume.generations.size(), 1u);
  const event::GenerationResume& generation = entry->resume.generations[0];
  EXPECT_EQ(generation.id, block().generation);
  EXPECT_EQ(generation.ordinal, 3u);
  EXPECT_EQ(generation.to, 100u);
  EXPECT_EQ(generation.tailHash, block().tailHash);
  EXPECT_EQ(entry->resume.channels, block().channels);
}

}  // namespace
}  // namespace logtail::agent
