// What the files hold in the end, whatever the machine did meanwhile (design.md, invariants 1, 7,
// 9).

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tests/outputs/file_output_world.h"

namespace logtail::outputs {
namespace {

using test::CrashFileSystem;
using test::OpKind;

// Stops the machine again and again; then lets it finish. What is wrong in the end, or nothing.
std::string runWithCrashes(uint64_t seed, const std::function<void(FileOutputWorld&)>& prepare) {
  FileOutputWorld world(seed);
  std::mt19937_64 random(seed ^ 0xc4a5);
  if (seed % 2 == 1) world.settings.compress = Compression::kZstd;
  if (seed % 3 == 1) world.small = false;
  prepare(world);
  for (int life = 0; life < 12; ++life) {
    if (world.live(random() % 60)) break;
    world.reboot(random() % 6);
  }
  world.onDisk = nullptr;
  while (!world.live(std::nullopt)) {
  }
  world.reboot(0);
  if (!world.startOnly().ok()) return "the last start";
  return world.problem();
}

TEST(FileOutputCrash, EveryRecordIsThereOnceWhereverTheMachineStops) {
  for (uint64_t operations = 0;; ++operations) {
    FileOutputWorld world(3, 12);
    const bool through = world.live(operations);
    for (uint64_t crash = 0; crash < 4; ++crash) {
      FileOutputWorld again(3, 12);
      again.live(operations);
      again.reboot(crash);
      ASSERT_TRUE(again.live(std::nullopt));
      ASSERT_EQ(again.problem(), "") << "operation " << operations << ", crash " << crash;
    }
    if (through) break;
  }
}

TEST(FileOutputCrash, EveryRecordIsThereOnceAfterManyCrashes) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    ASSERT_EQ(runWithCrashes(seed, [](FileOutputWorld&) {}), "") << "seed " << seed;
  }
}

TEST(FileOutputCrash, EveryRecordIsThereOnceWhenSyncsFailBetweenCrashes) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto failing = [seed](FileOutputWorld& world) {
      world.onDisk = [seed, &world](CrashFileSystem& disk) {
        disk.failNth(OpKind::kSyncData, (seed + world.feedFailures) % 13, base::Errc::kStop);
        disk.failNth(OpKind::kSyncDirectory, (seed + world.feedFailures) % 7, base::Errc::kStop);
      };
    };
    ASSERT_EQ(runWithCrashes(seed, failing), "") << "seed " << seed;
  }
}

// Each sync of the code, by what it makes durable. Leaving any out must show.
struct SyncSite {
  const char* name;
  std::function<bool(FileOutputWorld&, const std::string& path, bool isDirectory)> matches;
};

bool isManifest(const std::string& path) {
  return path.find("/manifest.") != std::string::npos;
}
bool isLog(const std::string& path) {
  return path.starts_with("/logs");
}

class FileOutputSyncs : public testing::TestWithParam<SyncSite> {};

TEST_P(FileOutputSyncs, LeavingItOutLosesOrDoublesRecords) {
  std::string found;
  for (uint64_t seed = 0; seed < 400 && found.empty(); ++seed) {
    std::set<std::string> written;  // since the machine started
    found = runWithCrashes(seed, [&written](FileOutputWorld& world) {
      world.onDisk = [&world, &written](CrashFileSystem& disk) {
        written.clear();
        disk.observe([&written](const test::Operation& operation) {
          if (operation.kind == OpKind::kWrite) written.insert(operation.path);
        });
        disk.ignoreSyncs([&world, &written](const std::string& path, bool isDirectory) {
          const std::string name = GetParam().name;
          if (name == "FinalFile") return !isDirectory && isLog(path) && !written.contains(path);
          return GetParam().matches(world, path, isDirectory);
        });
      };
    });
  }
  EXPECT_NE(found, "");
}

INSTANTIATE_TEST_SUITE_P(
    Each, FileOutputSyncs,
    testing::Values(SyncSite{"Data", [](FileOutputWorld&, const std::string& path,
                                        bool directory) { return !directory && isLog(path); }},
                    SyncSite{"NewNames",
                             [](FileOutputWorld& world, const std::string& path, bool directory) {
                               return directory && isLog(path) && !world.starting();
                             }},
                    SyncSite{"RemovedNames",
                             [](FileOutputWorld& world, const std::string& path, bool directory) {
                               return directory && isLog(path) && world.starting();
                             }},
                    SyncSite{"FinalFile", nullptr},
                    SyncSite{"Commit",
                             [](FileOutputWorld&, const std::string& path, bool directory) {
                               return !directory && isManifest(path) && !path.ends_with(".tmp");
                             }},
                    SyncSite{"NewManifest",
                             [](FileOutputWorld&, const std::string& path, bool directory) {
                               return !directory && isManifest(path) && path.ends_with(".tmp");
                             }},
                    SyncSite{"NewManifestName",
                             [](FileOutputWorld&, const std::string& path, bool directory) {
                               return directory && !isLog(path);
                             }}),
    [](const testing::TestParamInfo<SyncSite>& site) { return site.param.name; });

}  // namespace
}  // namespace logtail::outputs
