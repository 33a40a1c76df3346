#include "agent/checkpoint_store.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "common/base/checksum.h"
#include "common/base/coding.h"
#include "tests/agent/ship/units.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::agent {
namespace {

using base::Errc;
using test::CrashFileSystem;

const std::string kDirectory = "/state";
constexpr uint64_t kQueue = 77;

event::BlockHeader block(const std::string& pod, uint64_t from, uint64_t to) {
  event::BlockHeader header;
  header.stream = keyOf(pod);
  header.generation = {base::hash64(pod), 0};
  header.from = from;
  header.to = to;
  header.recordBytes = to - from;
  header.records = 1;
  header.minTimeNanos = header.maxTimeNanos = 5'000 + static_cast<int64_t>(from);
  header.tailHash = to;
  return header;
}

std::string described(const std::string& pod) {
  std::string bytes;
  event::encode(streamNamed(pod), bytes);
  return bytes;
}

// Acknowledged bytes of the pod's stream; 0 when it is not known.
uint64_t ackedBytes(const CheckpointStore& store, const std::string& pod) {
  const auto* entry = store.find(keyOf(pod));
  return entry == nullptr || entry->resume.empty() ? 0 : entry->resume.generations.back().to;
}

class CheckpointStoreTest : public testing::Test {
 protected:
  CheckpointStore open(base::FileSystem& on) {
    CheckpointStore store(on, clock, kDirectory);
    EXPECT_TRUE(store.load().ok());
    return store;
  }
  // A store with three streams and STATS, saved.
  CheckpointStore filled() {
    CheckpointStore store = open(files);
    for (const char* pod : {"a", "b", "c"}) {
      store.describe(keyOf(pod), described(pod));
      store.acknowledged(block(pod, 0, 100), kQueue);
    }
    store.setLastStats("stats");
    EXPECT_TRUE(store.save().ok());
    return store;
  }
  std::string bytes() { return *base::readFile(files, kDirectory + "/checkpoint", 1 << 20); }
  void replace(const std::string& bytes) {
    ASSERT_TRUE(base::writeFileAtomically(files, kDirectory + "/checkpoint", bytes).ok());
  }

  test::FakeClock clock;
  CrashFileSystem files;
};

TEST_F(CheckpointStoreTest, NothingThereIsAFirstStart) {
  CheckpointStore store = open(files);
  EXPECT_TRUE(store.fresh());
  EXPECT_EQ(store.damagedEntries(), 0u);
}

TEST_F(CheckpointStoreTest, WhatWasSavedIsLoadedAgain) {
  CheckpointStore before = filled();
  before.markEnded(keyOf("b"));
  ASSERT_TRUE(before.save().ok());
  CheckpointStore store = open(files);
  EXPECT_FALSE(store.fresh());
  EXPECT_EQ(store.damagedEntries(), 0u);
  EXPECT_EQ(store.lastStats(), "stats");
  for (const char* pod : {"a", "b", "c"}) {
    const auto* entry = store.find(keyOf(pod));
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->description, described(pod));
    EXPECT_EQ(entry->queueId, kQueue);
    EXPECT_EQ(entry->resume, before.find(keyOf(pod))->resume);
    EXPECT_EQ(entry->ended, std::string(pod) == "b");
  }
}

TEST_F(CheckpointStoreTest, AStreamWithoutAnAcknowledgementIsNotStored) {
  CheckpointStore store = open(files);
  store.describe(keyOf("a"), described("a"));
  EXPECT_FALSE(store.dirty());
  ASSERT_TRUE(store.save().ok());
  EXPECT_EQ(open(files).find(keyOf("a")), nullptr);
}

TEST_F(CheckpointStoreTest, FollowsBlocksAsTheLedgerDoes) {
  CheckpointStore store = open(files);
  store.describe(keyOf("a"), described("a"));
  event::BlockHeader last = block("a", 300, 400);
  last.flags = event::kBlockTailLost;
  store.acknowledged(last, kQueue);
  const event::Resume& resume = store.find(keyOf("a"))->resume;
  EXPECT_EQ(resume.startTimeNanos, 5'300) << "who begins further on declares the start";
  ASSERT_EQ(resume.generations.size(), 1u);
  EXPECT_EQ(resume.generations[0].to, 400u);
  EXPECT_EQ(resume.generations[0].tailHash, 400u);
  EXPECT_TRUE(resume.generations[0].end) << "a lost tail is the generation's end";
}

TEST_F(CheckpointStoreTest, AdoptsTheLedgersStateAndForgetsEndedStreams) {
  CheckpointStore store = filled();
  event::Resume ahead = store.find(keyOf("a"))->resume;
  ahead.generations[0].to = 500;
  store.adopt(keyOf("a"), kQueue, ahead);
  store.adopt(keyOf("b"), kQueue, event::Resume());
  store.forget(keyOf("c"));
  ASSERT_TRUE(store.save().ok());
  CheckpointStore again = open(files);
  EXPECT_EQ(ackedBytes(again, "a"), 500u);
  EXPECT_EQ(ackedBytes(again, "b"), 100u);
  EXPECT_EQ(again.find(keyOf("c")), nullptr);
}

TEST_F(CheckpointStoreTest, IsDueAtMostOnceAnIntervalAndOnlyWhenSomethingChanged) {
  CheckpointStore store = filled();
  EXPECT_EQ(store.dueAt(), std::nullopt);
  const base::Nanos saved = clock.steady();
  store.acknowledged(block("a", 100, 200), kQueue);
  EXPECT_EQ(store.dueAt(), saved + CheckpointStore::kInterval);
  const auto snapshot = store.beginSave();
  EXPECT_EQ(store.dueAt(), std::nullopt) << "one write at a time";
  store.acknowledged(block("a", 200, 300), kQueue);
  store.finishSave(snapshot, {});
  EXPECT_TRUE(store.dirty()) << "changed since the write began";
}

TEST_F(CheckpointStoreTest, AFailedWriteKeepsTheOldStateAndIsDueAgain) {
  for (const auto kind : {test::OpKind::kCreate, test::OpKind::kWrite, test::OpKind::kSyncData,
                          test::OpKind::kRename}) {
    CheckpointStore store = filled();
    store.acknowledged(block("a", 100, 200), kQueue);
    // A temporary file that stayed behind would not be created again.
    (void)files.remove(kDirectory + "/checkpoint.tmp");
    files.failNth(kind, 0, kind == test::OpKind::kSyncData ? Errc::kStop : Errc::kPushBack);
    EXPECT_FALSE(store.save().ok()) << test::name(kind);
    EXPECT_TRUE(store.dirty());
    EXPECT_EQ(ackedBytes(open(files), "a"), 100u) << test::name(kind);
    ASSERT_TRUE(store.save().ok());
    EXPECT_EQ(ackedBytes(open(files), "a"), 200u);
    files = CrashFileSystem();
  }
}

TEST_F(CheckpointStoreTest, ANewerFormatIsRefusedUntouched) {
  filled();
  std::string newer = bytes();
  base::storeFixed(newer.data() + 8, uint32_t{2});
  base::storeFixed(newer.data() + 16, base::crc32c({newer.data(), 16}));
  replace(newer);
  CheckpointStore store(files, clock, kDirectory);
  const uint64_t operations = files.operations();
  const base::Status status = store.load();
  ASSERT_EQ(status.code(), Errc::kTooNew);
  EXPECT_NE(status.message().find("version 2"), std::string::npos) << status.message();
  EXPECT_EQ(bytes(), newer);
  EXPECT_EQ(*files.list(kDirectory), std::vector<std::string>{"checkpoint"});
  EXPECT_EQ(files.operations(), operations);
}

TEST_F(CheckpointStoreTest, EveryFlippedByteCostsAtMostOneEntryAndIsCounted) {
  filled();
  const std::string good = bytes();
  for (size_t i = 0; i < 3 * good.size(); ++i) {
    const size_t at = i / 3;
    constexpr unsigned char kMasks[] = {0x01, 0x80, 0xff};
    std::string bad = good;
    bad[at] = static_cast<char>(static_cast<unsigned char>(bad[at]) ^ kMasks[i % 3]);
    replace(bad);
    CheckpointStore store = open(files);  // goes through: no flipped byte is a newer version
    EXPECT_FALSE(store.fresh()) << at;
    EXPECT_GE(store.damagedEntries(), 1u) << at;
    size_t intact = store.lastStats() == "stats" ? 1 : 0;
    for (const char* pod : {"a", "b", "c"}) intact += ackedBytes(store, pod) == 100 ? 1 : 0;
    EXPECT_GE(intact, at < 20 ? 4u : 3u) << at;
  }
}

TEST_F(CheckpointStoreTest, EveryTruncationKeepsTheWholeEntriesBeforeItAndIsCounted) {
  filled();
  const std::string good = bytes();
  size_t before = 4;
  for (size_t size = good.size(); size-- > 0;) {
    replace(good.substr(0, size));
    CheckpointStore store = open(files);
    EXPECT_GE(store.damagedEntries(), 1u) << size;
    size_t intact = store.lastStats() == "stats" ? 1 : 0;
    for (const char* pod : {"a", "b", "c"}) intact += ackedBytes(store, pod) == 100 ? 1 : 0;
    EXPECT_LE(intact, before) << size;
    EXPECT_TRUE(store.find(keyOf("a")) == nullptr || ackedBytes(store, "a") == 100) << size;
    before = intact;
  }
  EXPECT_EQ(before, 0u);
}

// Acknowledges by chance and saves now and then; `durable` is the state at the last save that
// returned ok, `acked` the newest one.
struct Workload {
  std::vector<uint64_t> acked = std::vector<uint64_t>(4);
  std::vector<uint64_t> durable = std::vector<uint64_t>(4);
  bool everSaved = false;

  // Goes on after saves that failed, until the machine stops.
  void run(CheckpointStore& store, const CrashFileSystem& files, uint64_t seed) {
    std::mt19937_64 random(seed);
    for (size_t pod = 0; pod < acked.size(); ++pod) {
      const std::string name = std::to_string(pod);
      store.describe(keyOf(name), described(name));
    }
    for (int i = 0; i < 40; ++i) {
      const size_t pod = random() % acked.size();
      const uint64_t to = acked[pod] + 1 + random() % 500;
      store.acknowledged(block(std::to_string(pod), acked[pod], to), kQueue);
      acked[pod] = to;
      if (random() % 8 != 0) continue;
      const bool saved = store.save().ok();
      if (files.crashed()) return;
      if (!saved) continue;
      durable = acked;
      everSaved = true;
    }
  }

  // What a crash may leave: not behind the last save, never ahead of an acknowledgement.
  std::string violation(const CheckpointStore& store) const {
    if (store.fresh() && everSaved) return "the state is gone";
    if (store.damagedEntries() > 0) return "torn";
    for (size_t pod = 0; pod < acked.size(); ++pod) {
      const uint64_t to = ackedBytes(store, std::to_string(pod));
      if (to > acked[pod]) return "ahead of the acknowledgement";
      if (to < durable[pod]) return "behind a save that returned ok";
    }
    return {};
  }
};

// The first violation over all crash points of one seed, empty when there is none.
std::string crashEverywhere(uint64_t seed,
                            const std::function<void(CrashFileSystem&)>& prepare = nullptr) {
  test::FakeClock clock;
  for (uint64_t n = 0;; ++n) {
    CrashFileSystem files;
    if (prepare) prepare(files);
    files.crashAfterOperation(n);
    Workload workload;
    {
      CheckpointStore store(files, clock, kDirectory);
      if (store.load().ok()) workload.run(store, files, seed);
    }
    for (uint64_t crash = 0; crash < 6; ++crash) {
      const auto after = files.crash(crash);
      CheckpointStore store(*after, clock, kDirectory);
      if (!store.load().ok()) return "start-up failed";
      std::string violation = workload.violation(store);
      if (!violation.empty()) return violation + " at operation " + std::to_string(n);
    }
    if (!files.crashed()) return {};
  }
}

TEST(CheckpointStoreModel, AfterAnyCrashTheStateIsOneThatWasAcknowledged) {
  for (uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(crashEverywhere(seed), "");
}

TEST(CheckpointStoreModel, AfterAnyCrashAndAnySyncThatFailedItIsToo) {
  for (const auto kind : {test::OpKind::kSyncData, test::OpKind::kSyncDirectory}) {
    for (uint64_t sync = 0; sync < 4; ++sync) {
      for (uint64_t seed = 1; seed <= 10; ++seed) {
        const auto failing = [&](CrashFileSystem& files) {
          files.failNth(kind, sync, Errc::kStop);
        };
        ASSERT_EQ(crashEverywhere(seed, failing), "") << test::name(kind) << " " << sync;
      }
    }
  }
}

// Each sync behind write(), by what it makes durable. Leaving it out must show.
struct SyncSite {
  const char* name;
  bool isDirectory;
  std::string path;
};

class CheckpointStoreSyncs : public testing::TestWithParam<SyncSite> {};

TEST_P(CheckpointStoreSyncs, LeavingItOutShows) {
  std::string found;
  for (uint64_t seed = 1; seed <= 20 && found.empty(); ++seed) {
    found = crashEverywhere(seed, [](CrashFileSystem& files) {
      files.ignoreSyncs([](const std::string& path, bool isDirectory) {
        return isDirectory == GetParam().isDirectory && path == GetParam().path;
      });
    });
  }
  EXPECT_NE(found, "");
}

INSTANTIATE_TEST_SUITE_P(Each, CheckpointStoreSyncs,
                         testing::Values(SyncSite{"Data", false, kDirectory + "/checkpoint.tmp"},
                                         SyncSite{"Name", true, kDirectory}),
                         [](const auto& site) { return site.param.name; });

}  // namespace
}  // namespace logtail::agent
