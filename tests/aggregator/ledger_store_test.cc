#include "aggregator/ledger_store.h"

#include "aggregator/ledger_snapshot.h"
#include "tests/aggregator/ledger_fixture.h"
#include "tests/support/crash_file_system.h"

namespace logtail::aggregator {
namespace {

using test::CrashFileSystem;

constexpr uint64_t kQueue = 5;
const char* const kDirectory = "/data/ledger";

class LedgerStoreFixture : public LedgerFixture {
 protected:
  void sendAndSave(uint64_t to) {
    send("n1", {block(key, at, to)});
    at = to;
    ASSERT_TRUE(store.save(entry, LedgerSnapshot::encode(ledger, kQueue)).ok());
  }
  void flip(uint64_t sequence, uint64_t offset) {
    const std::string path =
        std::string(kDirectory) + "/000000000000000" + std::to_string(sequence) + ".snap";
    auto file = fs.open(path, base::OpenMode::kReadWrite);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->write(offset, "\x7f\x7f").ok());
  }

  CrashFileSystem fs;
  LedgerStore store{fs, kDirectory, kQueue};
  event::StreamKey key = open("n1", "a");
  uint64_t at = 0;
};

TEST_F(LedgerStoreFixture, StartsEmptyWithoutASnapshot) {
  const auto loaded = store.load(ledger, 0);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->sequence, 0u);
  EXPECT_EQ(ledger.streamCount(), 0u);
  EXPECT_EQ(store.covered(), 0u);
}

TEST_F(LedgerStoreFixture, KeepsTheNewestTwoAndCoversOnlyWhatBothHold) {
  ASSERT_TRUE(fs.createDirectories(kDirectory).ok());
  sendAndSave(10);
  EXPECT_EQ(store.covered(), 2u);
  sendAndSave(20);
  EXPECT_EQ(store.covered(), 2u);
  sendAndSave(30);
  EXPECT_EQ(store.covered(), 3u);
  EXPECT_EQ(*LedgerStore::list(fs, kDirectory), (std::vector<uint64_t>{3, 4}));

  Ledger copy(Ledger::Limits{}, budget);
  LedgerStore again(fs, kDirectory, kQueue);
  EXPECT_EQ(again.load(copy, 1)->sequence, 4u);
  EXPECT_EQ(copy.find(key)->totals.consumedBytes, 30u);
  EXPECT_EQ(again.covered(), 3u);
}

TEST_F(LedgerStoreFixture, TakesTheOlderOneWhenTheNewestIsDamaged) {
  ASSERT_TRUE(fs.createDirectories(kDirectory).ok());
  sendAndSave(10);
  sendAndSave(20);
  flip(3, 200);
  Ledger copy(Ledger::Limits{}, budget);
  LedgerStore again(fs, kDirectory, kQueue);
  const auto loaded = again.load(copy, 1);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->sequence, 2u);
  EXPECT_EQ(loaded->snapshotsDamaged, 1u);
  EXPECT_EQ(loaded->recordsDamaged, 0u);
  EXPECT_EQ(copy.find(key)->totals.consumedBytes, 10u);
  // The damaged one does not come back, and the next save has its place.
  EXPECT_EQ(*LedgerStore::list(fs, kDirectory), (std::vector<uint64_t>{2}));
}

TEST_F(LedgerStoreFixture, UsesWhatADamagedOneStillHoldsWhenTheQueueNoLongerReachesBack) {
  ASSERT_TRUE(fs.createDirectories(kDirectory).ok());
  sendAndSave(10);
  sendAndSave(20);
  const std::string bytes = LedgerSnapshot::encode(ledger, kQueue);
  flip(3, bytes.size() - 40);  // the end record, or the stream before it
  Ledger copy(Ledger::Limits{}, budget);
  LedgerStore again(fs, kDirectory, kQueue);
  const auto loaded = again.load(copy, 4);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->sequence, 3u);
  EXPECT_GT(loaded->recordsDamaged, 0u);
}

TEST_F(LedgerStoreFixture, SetsSnapshotsOfAnotherQueueAside) {
  ASSERT_TRUE(fs.createDirectories(kDirectory).ok());
  sendAndSave(10);
  Ledger copy(Ledger::Limits{}, budget);
  LedgerStore other(fs, kDirectory, kQueue + 1);
  const auto loaded = other.load(copy, 1);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->foreign, 1u);
  EXPECT_EQ(loaded->sequence, 0u);
  EXPECT_EQ(copy.streamCount(), 0u);
}

TEST_F(LedgerStoreFixture, LeavesANewerVersionUntouched) {
  ASSERT_TRUE(fs.createDirectories(kDirectory).ok());
  std::string bytes = LedgerSnapshot::encode(ledger, kQueue);
  bytes[8] = 9;
  base::storeFixed(bytes.data() + 32, base::crc32c(std::string_view(bytes).substr(0, 32)));
  ASSERT_TRUE(
      base::writeFileAtomically(fs, std::string(kDirectory) + "/0000000000000009.snap", bytes)
          .ok());
  const uint64_t operations = fs.operations();
  Ledger copy(Ledger::Limits{}, budget);
  EXPECT_EQ(store.load(copy, 1).code(), base::Errc::kTooNew);
  EXPECT_EQ(fs.operations(), operations);
}

}  // namespace
}  // namespace logtail::aggregator
