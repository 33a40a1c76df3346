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
using test::Operation;
using test::OpKind;

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
    loading_ = true;
    auto loaded = life.store->load(life.ledger, life.list.oldestSequence());
    loading_ = false;
    if (!loaded.ok()) return loaded.error();
    wal::QueueReader reader(fs, life.list, loaded->sequence + 1);
    LedgerReplay replay(life.ledger);
    for (;;) {
      auto next = reader.next();
      if (!next.ok()) return next.error();
      if (*next == wal::QueueReader::Next::kWait) break;
      replay.apply(reader.entry());
    }
    if (replay.malformed() != 0) return {base::Errc::kBug, "a malformed entry"};
    if (report.lostAfterAck != 0) return {base::Errc::kBug, "lost after ack"};
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
      if (n % snapshotEvery_ != snapshotEvery_ - 1) continue;
      const std::string bytes = LedgerSnapshot::encode(life.ledger, life.queue->queueId());
      if (!life.store->save(life.ledger.sequence(), bytes).ok()) continue;
      (void)life.queue->removeThrough(life.store->covered());
    }
    return steps_.size();
  }

  // Empty, or what is wrong with a ledger in which exactly `frames` of the steps should be.
  std::string compare(const Ledger& ledger, size_t frames) {
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
      const StreamState* stream = ledger.find(key);
      if (stream == nullptr) return "a stream is gone";
      if (*stream != *reference.find(key))
        return "a stream is not as " + std::to_string(frames) + " frames left it";
    }
    return {};
  }

  // Empty, or what a start into `life` finds that it should not: everything acknowledged is in the
  // ledger, and the ledger is what the queue says.
  std::string look(CrashFileSystem& fs, Life& life, size_t acknowledged) {
    const base::Status started = start(fs, life);
    if (!started.ok()) return "does not start: " + started.message();
    const NodeState* node = life.ledger.findNode("n1");
    const size_t frames = node == nullptr ? 0 : node->lastFrame;
    if (frames < acknowledged) return "acknowledged frames are gone";
    return frames == 0 ? std::string() : compare(life.ledger, frames);
  }

  // The same on a disk, which then goes on: what follows is accepted, what was there is a repeat.
  void checkAfter(CrashFileSystem& fs, size_t acknowledged) {
    Life life;
    ASSERT_EQ(look(fs, life, acknowledged), "");
    if (life.ledger.findNode("n1") == nullptr || life.ledger.findNode("n1")->lastFrame == 0) return;
    for (size_t n = 0; n < steps_.size(); ++n) ASSERT_TRUE(sendStep(life, n).ok()) << n;
    ASSERT_EQ(compare(life.ledger, steps_.size()), "");
  }

  // Works until operation n, from which on all fail. Returns how many operations there were.
  uint64_t workUntilKilled(CrashFileSystem& fs, uint64_t n, size_t& acknowledged) {
    uint64_t operations = 0;
    fs.failWhen([&](const Operation& operation) -> std::optional<base::Errc> {
      if (operation.kind == OpKind::kRead || operations++ < n) return std::nullopt;
      return base::Errc::kStop;
    });
    Life life;
    acknowledged = work(fs, life);
    fs.failWhen(nullptr);
    return operations;
  }
  // Believes what it finds, and lets segments go on that word.
  void startAndRemove(CrashFileSystem& fs, Life& life) {
    const base::Status started = start(fs, life);
    ASSERT_TRUE(started.ok()) << started.message();
    ASSERT_TRUE(life.queue->removeThrough(life.store->covered()).ok());
  }

  test::FakeClock clock_;
  const std::vector<event::StreamKey> keys_{describe("n1", "a").key(), describe("n1", "b").key(),
                                            describe("n1", "c").key()};
  std::vector<Step> steps_;
  size_t snapshotEvery_ = 3;
  bool loading_ = false;
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

// The process ends at operation n, the next one goes on, and then the machine stops.
TEST_F(LedgerCrash, AfterAKillAtAnyOperationTheLedgerIsWhatTheQueueHolds) {
  for (snapshotEvery_ = 3; snapshotEvery_ <= 12; snapshotEvery_ += 9) {
    for (uint64_t n = 0;; ++n) {
      SCOPED_TRACE("killed at operation " + std::to_string(n));
      CrashFileSystem fs;
      size_t acknowledged = 0;
      const uint64_t operations = workUntilKilled(fs, n, acknowledged);
      {
        Life life;
        startAndRemove(fs, life);
      }
      for (uint64_t seed = 0; seed < 5 && !HasFatalFailure(); ++seed) {
        checkAfter(*fs.crash(seed), acknowledged);
      }
      if (HasFatalFailure()) return;
      if (operations <= n) break;
    }
  }
}

TEST_F(LedgerCrash, AfterAFailedSyncAndACrashTheLedgerIsWhatTheQueueHolds) {
  for (const OpKind kind : {OpKind::kSyncData, OpKind::kSyncDirectory, OpKind::kRename}) {
    for (uint64_t n = 0;; ++n) {
      CrashFileSystem fs;
      fs.failNth(kind, n, base::Errc::kStop);
      size_t acknowledged = 0;
      {
        Life life;
        acknowledged = work(fs, life);
      }
      if (fs.count(kind) <= n) break;
      for (uint64_t seed = 0; seed < 5; ++seed) {
        SCOPED_TRACE(std::string(name(kind)) + " " + std::to_string(n) + " fails, seed " +
                     std::to_string(seed));
        checkAfter(*fs.crash(seed), acknowledged);
        if (HasFatalFailure()) return;
      }
    }
  }
}

enum class Site { kNone, kSnapshotBytes, kSnapshotName, kStartName };
struct LeftOut {
  const char* name;
  Site site;
};
void PrintTo(const LeftOut& row, std::ostream* out) {
  *out << row.name;
}

class LedgerWithoutASync : public LedgerCrash, public testing::WithParamInterface<LeftOut> {
 protected:
  void leaveOut(CrashFileSystem& fs) {
    fs.ignoreSyncs([this](const std::string& path, bool isDirectory) {
      if (path.find("/ledger") == std::string::npos) return false;
      const Site name = loading_ ? Site::kStartName : Site::kSnapshotName;
      return GetParam().site == (isDirectory ? name : Site::kSnapshotBytes);
    });
  }
  std::string lookAfterCrash(const CrashFileSystem& fs, size_t acknowledged) {
    std::string broken;
    for (uint64_t seed = 0; seed < 8 && broken.empty(); ++seed) {
      Life life;
      broken = look(*fs.crash(seed), life, acknowledged);
    }
    return broken;
  }
};

// A segment goes once a snapshot covers it: a snapshot that a crash takes back, or leaves without
// its bytes, takes what was acknowledged with it. With every sync in its place none does.
TEST_P(LedgerWithoutASync, LosesWhatOnlyTheSnapshotHeld) {
  std::string broken;
  for (snapshotEvery_ = 3; snapshotEvery_ <= 12; snapshotEvery_ += 9) {
    for (uint64_t n = 1; broken.empty(); ++n) {
      CrashFileSystem fs;
      leaveOut(fs);
      size_t acknowledged = 0;
      const uint64_t operations = workUntilKilled(fs, n, acknowledged);
      broken = lookAfterCrash(fs, acknowledged);
      Life life;
      startAndRemove(fs, life);
      if (broken.empty()) broken = lookAfterCrash(fs, acknowledged);
      if (operations <= n) break;
    }
  }
  RecordProperty("broken", broken);
  EXPECT_EQ(broken.empty(), GetParam().site == Site::kNone) << broken;
}

INSTANTIATE_TEST_SUITE_P(Sites, LedgerWithoutASync,
                         testing::Values(LeftOut{"None", Site::kNone},
                                         LeftOut{"SnapshotBytes", Site::kSnapshotBytes},
                                         LeftOut{"SnapshotName", Site::kSnapshotName},
                                         LeftOut{"StartName", Site::kStartName}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace logtail::aggregator
