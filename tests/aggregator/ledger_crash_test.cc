// The ledger and its queue on a machine that stops, loses power and fails to sync; and without any
// single one of the store's syncs.

#include "tests/aggregator/ledger_disk.h"

namespace logtail::aggregator {
namespace {

using LedgerCrash = LedgerOnDisk;

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
