// What the files hold, whatever the machine does meanwhile (ARCHITECTURE.md, invariants 1, 7, 9).

#include <gtest/gtest.h>

#include <functional>

#include "tests/outputs/file_output_world.h"

namespace logtail::outputs {
namespace {

using test::CrashFileSystem;
using test::OpKind;

constexpr uint64_t kBatches = 14;

void vary(FileOutputWorld& world, uint64_t seed) {
  if (seed % 2 == 1) world.settings.compress = Compression::kZstd;
  if (seed % 3 == 1) world.small = false;  // 0 and 1 differ in both
}

// Everything is delivered, and stays delivered when the machine stops then. What is wrong, if
// anything.
std::string finish(FileOutputWorld& world) {
  if (!world.live(std::nullopt)) return "it did not get through";
  world.reboot(0);
  if (!world.live(std::nullopt)) return "the last start";
  return world.problem();
}

// Stops the machine again and again; then lets it finish.
std::string runWithCrashes(uint64_t seed, const std::function<void(FileOutputWorld&)>& prepare) {
  FileOutputWorld world(seed);
  std::mt19937_64 random(seed ^ 0xc4a5);
  vary(world, seed);
  prepare(world);
  for (int life = 0; life < 12; ++life) {
    // Every other life ends while it starts or soon after.
    world.live(random() % (life % 2 == 0 ? 60 : 8));
    world.reboot(random() % 6);
  }
  world.onDisk = nullptr;
  return finish(world);
}

TEST(FileOutputCrash, EveryRecordIsThereOnceWhereverTheMachineStops) {
  for (uint64_t operations = 0;; ++operations) {
    bool through = false;
    for (uint64_t crash = 0; crash < 12; ++crash) {
      FileOutputWorld world(3 + crash / 6, kBatches);
      vary(world, crash / 6);
      through = world.live(operations);
      world.reboot(crash % 6);
      ASSERT_EQ(finish(world), "") << "operation " << operations << ", crash " << crash;
    }
    if (through) break;
  }
}

TEST(FileOutputCrash, EveryRecordIsThereOnceAfterManyCrashes) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    ASSERT_EQ(runWithCrashes(seed, [](FileOutputWorld&) {}), "") << "seed " << seed;
  }
}

// One sync fails, and the machine goes on or stops at any operation after that.
class FileOutputFailedSync : public testing::TestWithParam<OpKind> {};

TEST_P(FileOutputFailedSync, LeavesEveryRecordThereOnceWhereverTheMachineStops) {
  for (uint64_t sync = 0, variant = 0; variant < 2;) {
    std::optional<uint64_t> failedAt;  // operations up to and with the failed one
    const auto run = [&](std::optional<uint64_t> operations, uint64_t crash) {
      FileOutputWorld world(5, kBatches);
      vary(world, variant);
      world.disk().failNth(GetParam(), sync, base::Errc::kStop);
      uint64_t seen = 0;
      world.disk().observe([&](const test::Operation& operation) {
        ++seen;
        if (operation.kind == GetParam() && operation.number == sync) failedAt = seen;
      });
      world.live(operations);
      world.reboot(crash);
      return finish(world);
    };
    ASSERT_EQ(run(std::nullopt, 0), "") << "sync " << sync << ", variant " << variant;
    for (uint64_t after = 0; failedAt && after < 40; ++after) {
      ASSERT_EQ(run(*failedAt + after, (sync + after) % 6), "")
          << "sync " << sync << ", " << after << " operations later, variant " << variant;
    }
    if (failedAt) {
      ++sync;
      continue;
    }
    ASSERT_GT(sync, 2u);  // else the workload does not do what this is about
    sync = 0;
    ++variant;
  }
}

INSTANTIATE_TEST_SUITE_P(OfAFileOrADirectory, FileOutputFailedSync,
                         testing::Values(OpKind::kSyncData, OpKind::kSyncDirectory),
                         [](const auto& kind) {
                           return kind.param == OpKind::kSyncData ? "Data" : "Directory";
                         });

// Some of the syncs of each life fail.
void failSyncs(FileOutputWorld& world, uint64_t seed) {
  world.onDisk = [seed, &world](CrashFileSystem& disk) {
    disk.failNth(OpKind::kSyncData, (seed + world.failures()) % 13, base::Errc::kStop);
    disk.failNth(OpKind::kSyncData, (seed * 7 + world.failures()) % 17, base::Errc::kStop);
    disk.failNth(OpKind::kSyncDirectory, (seed + world.failures()) % 7, base::Errc::kStop);
  };
}

TEST(FileOutputCrash, EveryRecordIsThereOnceWhenSyncsFailBetweenCrashes) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    ASSERT_EQ(runWithCrashes(seed, [seed](FileOutputWorld& world) { failSyncs(world, seed); }), "")
        << "seed " << seed;
  }
}

// A write error is told to who has the descriptor open: closed before its sync, nobody hears of it.
TEST(FileOutputCrash, NoFileIsClosedBeforeWhatWasWrittenToItIsSynced) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    FileOutputWorld world(seed);
    vary(world, seed);
    world.settings.openFiles = 1;
    ASSERT_TRUE(world.live(std::nullopt));
    EXPECT_EQ(world.files().closedUnsynced(), 0u) << "seed " << seed;
  }
}

// Each sync of the code, by what it makes durable. Leaving it out must show.
struct SyncSite {
  const char* name;
  std::function<bool(FileOutputWorld&, const std::string& path, bool isDirectory)> matches;
  bool syncsFail = false;  // it only matters then
};

bool isManifest(const std::string& path) {
  return path.find("/manifest.") != std::string::npos;
}
bool isTemporary(const std::string& path) {
  return path.ends_with(".tmp");
}
bool isLog(const std::string& path) {
  return path.starts_with(FileOutputWorld::kLogs);
}

const SyncSite kSites[] = {
    {"DataOfAGroup",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return !directory && isLog(path) && !world.starting() && world.files().wroteTo(path);
     }},
    {"FinalFileCutAtTheStart",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return !directory && isLog(path) && !world.starting() && !world.files().wroteTo(path);
     }},
    {"CutOfAFileWhoseSyncFailed",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return !directory && isLog(path) && world.starting();
     },
     true},
    {"NamesOfNewFiles",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return directory && isLog(path) && !world.starting();
     }},
    {"NamesRemovedAtTheStart",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return directory && isLog(path) && world.starting();
     }},
    {"Announcement",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return !directory && isManifest(path) && !isTemporary(path) && world.files().announcing();
     }},
    {"Commit",
     [](FileOutputWorld& world, const std::string& path, bool directory) {
       return !directory && isManifest(path) && !isTemporary(path) && !world.files().announcing();
     }},
    {"NewManifest",
     [](FileOutputWorld&, const std::string& path, bool directory) {
       return !directory && isManifest(path) && isTemporary(path);
     }},
    {"NameOfTheNewManifest",
     [](FileOutputWorld&, const std::string& path, bool directory) {
       return directory && path == FileOutputWorld::kData;
     }},
};

class FileOutputSyncs : public testing::TestWithParam<SyncSite> {};

TEST_P(FileOutputSyncs, LeavingItOutShows) {
  std::string found;
  for (uint64_t seed = 0; seed < 400 && found.empty(); ++seed) {
    found = runWithCrashes(seed, [seed](FileOutputWorld& world) {
      if (GetParam().syncsFail) failSyncs(world, seed);
      world.onDisk = [&world, faults = world.onDisk](CrashFileSystem& disk) {
        if (faults) faults(disk);
        disk.ignoreSyncs([&world](const std::string& path, bool isDirectory) {
          return GetParam().matches(world, path, isDirectory);
        });
      };
    });
  }
  EXPECT_NE(found, "");
}

INSTANTIATE_TEST_SUITE_P(Each, FileOutputSyncs, testing::ValuesIn(kSites),
                         [](const auto& site) { return site.param.name; });

}  // namespace
}  // namespace logtail::outputs
