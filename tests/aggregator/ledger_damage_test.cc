// Damage of ledger snapshots on the disk: a byte flipped, or the file cut, at every offset.

#include "tests/aggregator/ledger_disk.h"

namespace logtail::aggregator {
namespace {

const std::string kLedger = "/data/ledger";

class LedgerDamage : public LedgerOnDisk {
 protected:
  LedgerDamage() {
    EXPECT_EQ(work(fs_, before_), steps_.size());
    EXPECT_GT(before_.list.oldestSequence(), 1u);
    const auto listed = names();
    for (const std::string& name : *listed) files_.push_back(kLedger + "/" + name);
    EXPECT_EQ(files_.size(), 2u);
  }
  base::Result<std::vector<std::string>> names() { return fs_.list(kLedger); }
  std::string bytesOf(const std::string& path) { return *base::readFile(fs_, path, 1 << 20); }

  enum class How { kFlip, kCut };
  // The disk with one byte of the file flipped, or the file cut there.
  std::unique_ptr<CrashFileSystem> damaged(const std::string& path, uint64_t offset, How how) {
    auto fs = fs_.crash(1);
    const auto file = fs->open(path, base::OpenMode::kReadWrite);
    char byte = 0;
    EXPECT_TRUE((*file)->readAt(offset, {&byte, 1}).ok());
    byte = static_cast<char>(byte ^ (1u << (offset % 8)));
    const base::Status done =
        how == How::kCut ? (*file)->truncate(offset) : (*file)->write(offset, {&byte, 1});
    EXPECT_TRUE(done.ok());
    return fs;
  }

  CrashFileSystem fs_;
  Life before_;
  std::vector<std::string> files_;  // of snapshots, older first
};

// The other snapshot and a longer replay make up for it: nothing at all is lost.
TEST_F(LedgerDamage, CostsNothingInOneOfTwoSnapshots) {
  for (const std::string& path : files_) {
    const uint64_t size = bytesOf(path).size();
    for (uint64_t offset = 0; offset < size; ++offset) {
      for (const How how : {How::kFlip, How::kCut}) {
        SCOPED_TRACE(path + (how == How::kCut ? " cut at " : " flipped at ") +
                     std::to_string(offset));
        const auto fs = damaged(path, offset, how);
        Life life;
        ASSERT_EQ(look(*fs, life, steps_.size()), "");
        EXPECT_EQ(life.loaded.snapshotsDamaged, path == files_.back() ? 1u : 0u);
        EXPECT_EQ(life.loaded.recordsDamaged, 0u);
      }
    }
  }
}

// With no other snapshot, and the entries below gone: a flipped byte costs the record it hits.
TEST_F(LedgerDamage, CostsTheRecordItHitsInTheOnlySnapshot) {
  ASSERT_TRUE(fs_.remove(files_.front()).ok());
  ASSERT_TRUE(before_.queue->removeThrough(before_.ledger.sequence()).ok());
  const std::string bytes = bytesOf(files_.back());
  uint64_t streamsHit = 0;
  for (uint64_t offset = 0; offset < bytes.size(); ++offset) {
    SCOPED_TRACE(offset);
    const auto fs = damaged(files_.back(), offset, How::kFlip);
    Life life;
    const base::Status started = start(*fs, life);
    ASSERT_TRUE(started.ok()) << started.message();
    EXPECT_EQ(life.loaded.sequence, before_.ledger.sequence());
    EXPECT_EQ(life.loaded.snapshotsDamaged, 1u);
    EXPECT_EQ(life.loaded.recordsDamaged, 1u);
    uint64_t intact = 0;
    for (const auto& key : keys_) {
      const StreamState* stream = life.ledger.find(key);
      if (stream != nullptr && *stream == *before_.ledger.find(key)) ++intact;
    }
    ASSERT_GE(intact, keys_.size() - 1);
    streamsHit += intact < keys_.size() ? 1 : 0;
  }
  EXPECT_GT(streamsHit, bytes.size() / 2);
}

TEST_F(LedgerDamage, IsCountedWhenTheOnlySnapshotIsCut) {
  ASSERT_TRUE(fs_.remove(files_.front()).ok());
  ASSERT_TRUE(before_.queue->removeThrough(before_.ledger.sequence()).ok());
  const uint64_t size = bytesOf(files_.back()).size();
  uint64_t mostIntact = 0;
  for (uint64_t cut = 0; cut < size; ++cut) {
    SCOPED_TRACE(cut);
    const auto fs = damaged(files_.back(), cut, How::kCut);
    Life life;
    const base::Status started = start(*fs, life);
    ASSERT_TRUE(started.ok()) << started.message();
    EXPECT_EQ(life.loaded.snapshotsDamaged, 1u);
    uint64_t intact = 0;
    for (const auto& key : keys_) {
      const StreamState* stream = life.ledger.find(key);
      if (stream != nullptr && *stream == *before_.ledger.find(key)) ++intact;
    }
    EXPECT_GE(intact, mostIntact);
    mostIntact = intact;
  }
  EXPECT_EQ(mostIntact, keys_.size());
}

TEST_F(LedgerDamage, LeavesANewerVersionAndItsNeighboursUntouched) {
  std::string newer = LedgerSnapshot::encode(before_.ledger, before_.queue->queueId());
  newer[8] = 2;
  base::storeFixed(newer.data() + 32, base::crc32c(std::string_view(newer).substr(0, 32)));
  ASSERT_TRUE(base::writeFileAtomically(fs_, kLedger + "/0000000000000001.snap", newer).ok());
  const std::string foreign = LedgerSnapshot::encode(before_.ledger, 77);
  ASSERT_TRUE(base::writeFileAtomically(fs_, kLedger + "/00000000000000ff.snap", foreign).ok());
  for (const std::string& path : files_) {
    const auto file = fs_.open(path, base::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->write(60, "damage").ok());
  }
  std::map<std::string, std::string> contents;
  const auto listed = names();
  for (const std::string& name : *listed) contents[name] = bytesOf(kLedger + "/" + name);
  const uint64_t operations = fs_.operations();
  Life life;
  LedgerStore store(fs_, kLedger, before_.queue->queueId());
  EXPECT_EQ(store.load(life.ledger, 1).code(), base::Errc::kTooNew);
  EXPECT_EQ(fs_.operations(), operations);
  for (const auto& [name, bytes] : contents) EXPECT_EQ(bytesOf(kLedger + "/" + name), bytes);
}

TEST_F(LedgerDamage, IsNoNewerVersionWithoutAChecksumThatProvesIt) {
  for (const std::string& path : files_) {
    const auto file = fs_.open(path, base::OpenMode::kReadWrite);
    ASSERT_TRUE((*file)->write(8, std::string(1, 2)).ok());
  }
  Life life;
  EXPECT_EQ(look(fs_, life, steps_.size()), "");
}

TEST_F(LedgerDamage, IsNoticedInAName) {
  ASSERT_TRUE(fs_.rename(files_.back(), kLedger + "/00000000000000ff.snap").ok());
  Life life;
  LedgerStore store(fs_, kLedger, before_.queue->queueId());
  const auto loaded = store.load(life.ledger, 1);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->snapshotsDamaged, 1u);
  EXPECT_EQ(kLedger + "/" + (*names())[0], files_.front());
  EXPECT_EQ(loaded->sequence, store.newest());
}

}  // namespace
}  // namespace logtail::aggregator
