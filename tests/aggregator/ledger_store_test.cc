#include "aggregator/ledger_store.h"

#include "aggregator/ledger_replay.h"
#include "aggregator/ledger_snapshot.h"
#include "common/wal/queue_reader.h"
#include "common/wal/queue_writer.h"
#include "tests/aggregator/frame_maker.h"
#include "tests/aggregator/ledger_fixture.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

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

// --- with the queue, on a machine that crashes
// ----------------------------------------------------

struct Step {
  std::vector<event::BlockHeader> blocks;
  std::string unit;
};

// A workload of frames, snapshots and deleted segments; what was promised is kept beside the disk.
class LedgerCrash : public testing::Test {
 protected:
  LedgerCrash() {
    FrameMaker maker;
    for (int i = 0; i < 24; ++i) {
      FrameMaker::Made made = maker.unit({keys_[i % 3], keys_[(i + 1) % 3]}, 40, i % 5 == 4);
      steps_.push_back({std::move(made.blocks), std::move(made.unit)});
    }
  }

  wal::QueueOptions options(CrashFileSystem& fs) const {
    wal::QueueOptions options;
    options.directory = "/data/queue";
    options.segmentBytes = 8 * 1024;
    options.capacityBytes = 1 << 20;
    if (const auto known = LedgerStore::list(fs, "/data/ledger"); known.ok() && !known->empty()) {
      options.knownDurable = known->back();
    }
    return options;
  }

  struct Life {
    base::MemoryBudget budget{1 << 24};
    Ledger ledger{Ledger::Limits{}, budget};
    wal::SegmentList list;
    std::unique_ptr<wal::QueueWriter> queue;
    std::unique_ptr<LedgerStore> store;
  };

  // Start: queue, snapshot, replay.
  base::Status start(CrashFileSystem& fs, Life& life) {
    wal::RecoveryReport report;
    auto queue = wal::QueueWriter::open(
        fs, clock_, life.list, options(fs),
        [&life](const event::StreamKey& key) {
          const StreamState* stream = life.ledger.find(key);
          return stream == nullptr ? std::string() : stream->description;
        },
        report);
    if (!queue.ok()) return queue.error();
    life.queue = std::move(*queue);
    life.store = std::make_unique<LedgerStore>(fs, "/data/ledger", life.queue->queueId());
    auto loaded = life.store->load(life.ledger, life.list.oldestSequence());
    if (!loaded.ok()) return loaded.error();
    wal::QueueReader reader(fs, life.list, loaded->sequence + 1);
    LedgerReplay replay(life.ledger);
    for (;;) {
      auto next = reader.next();
      if (!next.ok()) return next.error();
      if (*next == wal::QueueReader::Next::kWait) break;
      replay.apply(reader.entry());
    }
    EXPECT_EQ(replay.malformed(), 0u);
    EXPECT_EQ(report.lostAfterAck, 0u);
    return {};
  }

  base::Status openStreams(Life& life) {
    for (int i = 0; i < 3; ++i) {
      const auto description = describe("n1", std::string(1, static_cast<char>('a' + i)));
      wal::Entry entry;
      entry.kind = wal::EntryKind::kStream;
      entry.head = wal::encodeStreamEntry({keys_[i], encoded(description), ""});
      const uint64_t sequence = life.queue->nextSequence();
      life.queue->append(sequence, std::move(entry));
      life.ledger.applyOpen(sequence, "n1", keys_[i], encoded(description), nullptr);
    }
    return life.queue->commit();
  }

  base::Status sendStep(Life& life, size_t n) {
    Admission answer;
    life.ledger.admit({"n1", 1, n + 1}, steps_[n].blocks, answer);
    if (answer.kind != Admission::Kind::kAdmit) return {base::Errc::kBug, "not admitted"};
    if (!answer.anyAccepted) return {};
    wal::Entry entry;
    wal::Envelope envelope{"n1", 1, n + 1, 0, 0, answer.verdicts};
    entry.head = wal::encodeFrameHead(envelope);
    entry.body = steps_[n].unit;
    for (const auto& b : steps_[n].blocks) entry.streams.push_back({b.stream, 0, -1});
    const uint64_t sequence = life.queue->nextSequence();
    life.queue->append(sequence, std::move(entry));
    life.ledger.apply(sequence, {"n1", 1, n + 1}, steps_[n].blocks, answer.verdicts);
    return life.queue->commit();
  }

  // Runs until something fails; returns how many frames were acknowledged.
  size_t work(CrashFileSystem& fs, Life& life) {
    if (!start(fs, life).ok() || !openStreams(life).ok()) return 0;
    for (size_t n = 0; n < steps_.size(); ++n) {
      if (!sendStep(life, n).ok()) return n;
      if (n % 3 != 2) continue;
      const std::string bytes = LedgerSnapshot::encode(life.ledger, life.queue->queueId());
      if (!life.store->save(life.ledger.sequence(), bytes).ok()) return n + 1;
      if (!life.queue->removeThrough(life.store->covered()).ok()) return n + 1;
    }
    return steps_.size();
  }

  // What the ledger must be when exactly `frames` of the steps are in it.
  void expectState(const Ledger& ledger, size_t frames) {
    base::MemoryBudget budget(1 << 24);
    Ledger reference(Ledger::Limits{}, budget);
    uint64_t entry = 0;
    for (int i = 0; i < 3; ++i) {
      const auto description = describe("n1", std::string(1, static_cast<char>('a' + i)));
      reference.applyOpen(++entry, "n1", keys_[i], encoded(description), nullptr);
    }
    for (size_t n = 0; n < frames; ++n) {
      Admission answer;
      reference.admit({"n1", 1, n + 1}, steps_[n].blocks, answer);
      reference.apply(++entry, {"n1", 1, n + 1}, steps_[n].blocks, answer.verdicts);
    }
    for (const auto& key : keys_) {
      ASSERT_NE(ledger.find(key), nullptr);
      ASSERT_EQ(*ledger.find(key), *reference.find(key)) << "after " << frames << " frames";
    }
  }

  // After any crash: everything acknowledged is in the ledger, and the ledger is what the queue
  // says.
  void checkAfter(CrashFileSystem& fs, size_t acknowledged) {
    Life life;
    const base::Status started = start(fs, life);
    ASSERT_TRUE(started.ok()) << started.message();
    const NodeState* node = life.ledger.findNode("n1");
    const size_t frames = node == nullptr ? 0 : node->lastFrame;
    ASSERT_GE(frames, acknowledged);
    if (frames == 0) return;
    expectState(life.ledger, frames);
    // And it goes on from there: what follows is accepted, what was acknowledged is a repeat.
    for (size_t n = 0; n < steps_.size(); ++n) ASSERT_TRUE(sendStep(life, n).ok()) << n;
    expectState(life.ledger, steps_.size());
  }

  test::FakeClock clock_;
  const std::vector<event::StreamKey> keys_{describe("n1", "a").key(), describe("n1", "b").key(),
                                            describe("n1", "c").key()};
  std::vector<Step> steps_;
};

TEST_F(LedgerCrash, AfterAnyCrashTheLedgerIsWhatTheQueueHolds) {
  for (uint64_t n = 0;; ++n) {
    CrashFileSystem fs;
    fs.crashAfterOperation(n);
    size_t acknowledged = 0;
    {
      Life life;
      acknowledged = work(fs, life);
    }
    for (uint64_t seed = 0; seed < 5; ++seed) {
      SCOPED_TRACE("operation " + std::to_string(n) + " seed " + std::to_string(seed));
      checkAfter(*fs.crash(seed), acknowledged);
      if (HasFatalFailure()) return;
    }
    if (!fs.crashed()) break;
    ASSERT_LT(n, 5000u);
  }
}

TEST_F(LedgerCrash, WithoutTheSnapshotsSyncsThatIsNoticed) {
  // Not one of the snapshot's syncs may be missing: after a crash that keeps nothing unsynced, the
  // segments that the snapshot replaced are gone and it is not there.
  for (const bool ofDirectory : {false, true}) {
    CrashFileSystem fs;
    fs.ignoreSyncs([&](const std::string& path, bool isDirectory) {
      return path.find("/ledger") != std::string::npos && isDirectory == ofDirectory;
    });
    Life life;
    ASSERT_EQ(work(fs, life), steps_.size());
    ASSERT_GT(life.list.oldestSequence(), 1u);
    bool noticed = false;
    for (uint64_t seed = 0; seed < 8 && !noticed; ++seed) {
      const auto after = fs.crash(seed);
      Life again;
      if (!start(*after, again).ok()) {
        noticed = true;
      } else {
        again.ledger.forEach([&](const StreamState& stream) {
          noticed |= stream.totals != life.ledger.find(stream.key)->totals;
        });
        noticed |= again.ledger.streamCount() != keys_.size();
      }
    }
    EXPECT_TRUE(noticed) << (ofDirectory ? "directory" : "file");
  }
}

}  // namespace
}  // namespace logtail::aggregator
