// The queue against its model: the machine stops after every operation, the process is killed
// there, a sync fails there, and nothing that was promised is gone. And: without any single one of
// the syncs something is.

#include "tests/wal/queue_model.h"

#include <cstdlib>
#include <set>

namespace logtail::wal {
namespace {

using base::Errc;
using test::CrashFileSystem;
using test::Operation;
using test::OpKind;

// Names a sync by what it is for, from what happened before it in the same life of the queue.
class SyncSites {
 public:
  enum Site {
    kNone,
    kData,
    kHeader,
    kRollName,
    kRemovalName,
    kMetaBytes,
    kMetaName,
    kStartName,
    kRecovery,
  };

  explicit SyncSites(const QueueModel& model) : model_(model) {}

  void watch(CrashFileSystem& fs, Site ignored) {
    fs.observe([this](const Operation& operation) { see(operation); });
    fs.ignoreSyncs([this, ignored](const std::string& path, bool isDirectory) {
      return ignored != kNone && siteOf(path, isDirectory) == ignored;
    });
  }

 private:
  void see(const Operation& operation) {
    if (life_ != model_.starts) last_ = {};
    life_ = model_.starts;
    if (operation.kind == OpKind::kSyncData || operation.kind == OpKind::kSyncDirectory) return;
    last_ = operation;
    if (operation.kind != OpKind::kRename) return;
    inUse_.insert(operation.path);  // a segment is written by the handle of its free name
    inUse_.erase(operation.target);
  }
  Site siteOf(const std::string& path, bool isDirectory) const {
    const std::string& changed = last_.target.empty() ? last_.path : last_.target;
    const bool toFree = changed.find("free-") != std::string::npos;
    if (isDirectory) {
      if (changed.empty()) return kStartName;
      if (changed.ends_with("meta")) return kMetaName;
      const bool isRoll = last_.kind == OpKind::kRename && changed.ends_with(".seg") && !toFree;
      return isRoll ? kRollName : kRemovalName;
    }
    if (path.ends_with("meta.tmp")) return kMetaBytes;
    if (path.find("free-") == std::string::npos) return kRecovery;
    return inUse_.contains(path) ? kData : kHeader;
  }

  const QueueModel& model_;
  uint64_t life_ = 0;
  Operation last_;
  std::set<std::string> inUse_;
};

struct Rig {
  test::FakeClock clock;
  CrashFileSystem fs{&clock};
  QueueModel model;
  SyncSites sites{model};
};

std::string named(const std::string& broken, const std::string& when) {
  return broken.empty() ? broken : when + ": " + broken;
}

// The queue lives on behind a crash: it opens, takes an entry, keeps it.
std::string liveOn(CrashFileSystem& fs, test::FakeClock& clock, QueueModel model) {
  QueueWorkload more(fs, clock, model, 99);
  more.actions = 3;
  if (std::string broken = more.run(); !broken.empty()) return broken;
  if (more.stopped()) return "refuses to go on";
  QueueLife life;
  return check(*fs.crash(0), clock, model, life, testOptions());
}

// The machine stops after operation n and comes back with each of the seeds.
std::string stopMachineEverywhere(uint64_t workloadSeed, uint64_t crashSeeds,
                                  SyncSites::Site ignored = SyncSites::kNone) {
  for (uint64_t n = 0;; ++n) {
    Rig run;
    run.sites.watch(run.fs, ignored);
    run.fs.crashAfterOperation(n);
    std::string broken = QueueWorkload(run.fs, run.clock, run.model, workloadSeed).run();
    for (uint64_t seed = 0; seed < crashSeeds && broken.empty(); ++seed) {
      const auto after = run.fs.crash(seed);
      broken = named(liveOn(*after, run.clock, run.model), "seed " + std::to_string(seed));
    }
    if (!broken.empty()) return named(broken, "crash after operation " + std::to_string(n));
    if (!run.fs.crashed()) return {};
  }
}

// The process ends at operation n, which fails half done; the next one finds the page cache as it
// is, believes what it reads, and then the machine stops.
std::string killEverywhere(uint64_t workloadSeed, SyncSites::Site ignored = SyncSites::kNone) {
  for (uint64_t n = 0;; ++n) {
    Rig run;
    run.sites.watch(run.fs, ignored);
    uint64_t operations = 0;
    run.fs.failWhen([&](const Operation& operation) -> std::optional<Errc> {
      if (operation.kind == OpKind::kRead || operations++ < n) return std::nullopt;
      return Errc::kStop;
    });
    std::string broken = QueueWorkload(run.fs, run.clock, run.model, workloadSeed).run();
    run.fs.failWhen(nullptr);
    if (broken.empty()) {
      QueueLife life;
      broken = check(run.fs, run.clock, run.model, life, testOptions());
    }
    for (uint64_t seed = 0; seed < 4 && broken.empty(); ++seed) {
      broken = liveOn(*run.fs.crash(seed), run.clock, run.model);
    }
    if (!broken.empty()) return named(broken, "killed at operation " + std::to_string(n));
    if (operations <= n) return {};
  }
}

// LOGTAIL_WORKLOADS=1000 makes a long run of it.
uint64_t workloads() {
  const char* wanted = std::getenv("LOGTAIL_WORKLOADS");
  return wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 12;
}
constexpr uint64_t kCrashSeeds = 10;

TEST(QueueModel, KeepsWhatItAcknowledgedWhereverTheMachineStops) {
  for (uint64_t seed = 0; seed < workloads(); ++seed) {
    EXPECT_EQ(stopMachineEverywhere(seed, kCrashSeeds), "") << "workload " << seed;
  }
}

TEST(QueueModel, KeepsWhatItAcknowledgedWhereverTheProcessIsKilled) {
  for (uint64_t seed = 0; seed < workloads(); ++seed) {
    EXPECT_EQ(killEverywhere(seed), "") << "workload " << seed;
  }
}

TEST(QueueModel, KeepsWhatItAcknowledgedWhenTheMachineStopsDuringRecoveryToo) {
  for (uint64_t n = 3;; n += 5) {
    Rig run;
    run.fs.crashAfterOperation(n);
    ASSERT_EQ(QueueWorkload(run.fs, run.clock, run.model, 1).run(), "");
    for (uint64_t seed = 2; seed < 6; ++seed) {
      for (uint64_t m = 0;; ++m) {
        const auto second = run.fs.crash(seed);
        second->crashAfterOperation(m);
        QueueModel model = run.model;
        QueueLife life;
        const Finding found = look(*second, run.clock, model, life, testOptions());
        ASSERT_TRUE(found.refused || found.broken.empty()) << found.broken;
        EXPECT_EQ(liveOn(*second->crash(seed + m), run.clock, model), "")
            << "operation " << n << ", seed " << seed << ", operation " << m << " of recovery";
        if (!second->crashed()) break;
      }
    }
    if (!run.fs.crashed()) break;
  }
}

// One operation fails, the workload goes on or ends, and nothing is lost, also not in a crash.
TEST(QueueModel, KeepsWhatItAcknowledgedWhenAnyOneOperationFails) {
  for (const OpKind kind : {OpKind::kSyncData, OpKind::kSyncDirectory, OpKind::kWrite,
                            OpKind::kRename, OpKind::kRemove, OpKind::kCreate, OpKind::kAllocate}) {
    for (uint64_t n = 0;; ++n) {
      Rig run;
      run.fs.failNth(kind, n, Errc::kStop);
      const std::string at = std::string(name(kind)) + " " + std::to_string(n) + " fails";
      ASSERT_EQ(QueueWorkload(run.fs, run.clock, run.model, n % 5).run(), "") << at;
      if (run.fs.count(kind) <= n) break;  // it never came to that
      for (uint64_t seed = 0; seed < 4; ++seed) {
        EXPECT_EQ(liveOn(*run.fs.crash(seed), run.clock, run.model), "") << at;
      }
      EXPECT_EQ(liveOn(run.fs, run.clock, run.model), "") << at;
    }
  }
}

// A sync fails, the queue goes on elsewhere, and at any operation after that the machine stops.
TEST(QueueModel, KeepsWhatItAcknowledgedWhenASyncFailsAndThenTheMachineStops) {
  for (const OpKind kind : {OpKind::kSyncData, OpKind::kSyncDirectory}) {
    for (uint64_t failed = 0, workload = 0;; ++failed, workload = (workload + 1) % 5) {
      bool reached = false;
      for (uint64_t n = 0;; ++n) {
        Rig run;
        run.fs.failNth(kind, failed, Errc::kStop);
        run.fs.crashAfterOperation(n);
        const std::string at = std::string(name(kind)) + " " + std::to_string(failed) +
                               " fails, crash after operation " + std::to_string(n);
        ASSERT_EQ(QueueWorkload(run.fs, run.clock, run.model, workload).run(), "") << at;
        reached = run.fs.count(kind) > failed;
        for (uint64_t seed = 0; seed < 3 && reached; ++seed) {
          ASSERT_EQ(liveOn(*run.fs.crash(seed), run.clock, run.model), "") << at;
        }
        if (!run.fs.crashed()) break;
      }
      if (!reached) break;
    }
  }
}

// A start that meets a failing operation may refuse; the next one finds everything, also when the
// machine stops before it.
TEST(QueueModel, KeepsWhatItAcknowledgedWhenAnyOneOperationOfAStartFails) {
  for (uint64_t n = 1; n < 60; n += 3) {
    Rig run;
    run.fs.crashAfterOperation(n);
    ASSERT_EQ(QueueWorkload(run.fs, run.clock, run.model, n % 12).run(), "");
    for (uint64_t failed = 0;; ++failed) {
      const auto second = run.fs.crash(n);
      uint64_t operations = 0;
      second->failWhen([&](const Operation&) -> std::optional<Errc> {
        return operations++ == failed ? std::optional(Errc::kStop) : std::nullopt;
      });
      const std::string at = "crash after operation " + std::to_string(n) + ", then " +
                             std::to_string(failed) + " fails";
      QueueModel model = run.model;
      QueueLife life;
      const Finding found = look(*second, run.clock, model, life, testOptions());
      ASSERT_TRUE(found.refused || found.broken.empty()) << at << ": " << found.broken;
      second->failWhen(nullptr);
      ASSERT_EQ(liveOn(*second->crash(failed), run.clock, model), "") << at;
      ASSERT_EQ(liveOn(*second, run.clock, model), "") << at;
      if (operations <= failed) break;
    }
  }
}

TEST(QueueModel, GoesOnAfterOneFailedSyncOfASegment) {
  for (uint64_t n = 2; n < 30; ++n) {  // behind those of meta and of the first header
    Rig run;
    run.fs.failNth(OpKind::kSyncData, n, Errc::kStop);
    QueueLife life;
    ASSERT_TRUE(life.open(run.fs, run.clock, testOptions()).ok());
    for (int i = 0; i < 30; ++i) {
      life.append(opaque(std::string(900, 'x')));
      ASSERT_TRUE(life.writer->commit().ok()) << "sync " << n << ", entry " << i;
    }
    EXPECT_EQ(life.writer->counts().syncFailures + life.writer->counts().failedRolls, 1u) << n;
    EXPECT_EQ(payloads(readAll(run.fs, life.list)).size(), 30u);
  }
}

TEST(QueueModel, StopsForGoodWhenNoSyncSucceedsAnyMore) {
  for (uint64_t n = 2; n < 30; ++n) {
    Rig run;
    QueueLife life;
    ASSERT_TRUE(life.open(run.fs, run.clock, testOptions()).ok());
    run.fs.failWhen([&](const Operation& operation) -> std::optional<Errc> {
      if (operation.kind != OpKind::kSyncData || operation.number < n) return std::nullopt;
      return Errc::kStop;
    });
    uint64_t acknowledged = 0;
    base::Status status;
    while (status.ok()) {
      life.append(opaque(std::string(900, 'x')));
      status = life.writer->commit();
      if (status.ok()) ++acknowledged;
    }
    EXPECT_EQ(status.code(), Errc::kStop);
    run.fs.failWhen(nullptr);
    EXPECT_EQ(life.writer->commit().code(), Errc::kStop);
    EXPECT_EQ(life.list.durableSequence(), acknowledged);
    EXPECT_EQ(payloads(readAll(run.fs, life.list)).size(), acknowledged);
  }
}

struct LeftOut {
  const char* name;
  SyncSites::Site site;
};
void PrintTo(const LeftOut& row, std::ostream* out) {
  *out << row.name;
}

class QueueWithoutASync : public ::testing::TestWithParam<LeftOut> {};

TEST_P(QueueWithoutASync, BreaksAPromise) {
  std::string broken;
  for (uint64_t seed = 0; seed < workloads() && broken.empty(); ++seed) {
    broken = stopMachineEverywhere(seed, kCrashSeeds, GetParam().site);
    if (broken.empty()) broken = killEverywhere(seed, GetParam().site);
  }
  EXPECT_NE(broken, "");
  RecordProperty("broken", broken);
}

INSTANTIATE_TEST_SUITE_P(Sites, QueueWithoutASync,
                         ::testing::Values(LeftOut{"Data", SyncSites::kData},
                                           LeftOut{"Header", SyncSites::kHeader},
                                           LeftOut{"RollName", SyncSites::kRollName},
                                           LeftOut{"RemovalName", SyncSites::kRemovalName},
                                           LeftOut{"MetaBytes", SyncSites::kMetaBytes},
                                           LeftOut{"MetaName", SyncSites::kMetaName},
                                           LeftOut{"StartName", SyncSites::kStartName},
                                           LeftOut{"Recovery", SyncSites::kRecovery}),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace logtail::wal
