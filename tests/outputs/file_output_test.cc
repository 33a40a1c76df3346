// Somebody else at the files, a full disk, damage: what the output does then.

#include "outputs/file_output.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/checksum.h"
#include "common/base/coding.h"

#include "tests/outputs/file_output_rig.h"
#include "tests/outputs/file_output_world.h"
#include "tests/outputs/manifest_kit.h"

namespace logtail::outputs {
namespace {

using base::Errc;
using test::OpKind;
using Lines = std::vector<std::string>;
using Names = std::vector<std::string>;

constexpr const char* kFile = "shop/web_app.log";
constexpr const char* kNext = "shop/web_app_1.log";

// What somebody did to a file, and what they find later.
struct Meddling {
  const char* name;
  std::function<void(FileOutputRig&)> act;
  Lines wanted;
};

const Meddling kMeddlings[] = {
    {"Removed",
     [](FileOutputRig& rig) { ASSERT_TRUE(rig.disk.remove("/logs/shop/web_app.log").ok()); },
     {"no file"}},
    {"Replaced",
     [](FileOutputRig& rig) {
       const std::string bytes = rig.bytes(kFile);
       ASSERT_TRUE(rig.disk.remove("/logs/shop/web_app.log").ok());
       rig.write(kFile, bytes);
     },
     {"a"}},
    {"Renamed",
     [](FileOutputRig& rig) {
       ASSERT_TRUE(rig.disk.rename("/logs/shop/web_app.log", "/logs/shop/web_app.log.1").ok());
     },
     {"no file"}},
    {"Shortened", [](FileOutputRig& rig) { rig.write(kFile, "{}\n"); }, {"{}"}},
    {"Emptied", [](FileOutputRig& rig) { rig.write(kFile, ""); }, {}},
    {"Lengthened",
     [](FileOutputRig& rig) { rig.write(kFile, "theirs\n" + rig.bytes(kFile)); },
     {"theirs", "a"}},
    {"Changed",
     [](FileOutputRig& rig) {
       std::string bytes = rig.bytes(kFile);
       bytes[bytes.find("\"log\":\"a") + 7] = 'z';
       rig.write(kFile, bytes);
     },
     {"z"}},
};

class FileOutputMeddling : public testing::TestWithParam<Meddling> {
 protected:
  FileOutputMeddling() {
    EXPECT_TRUE(rig.start().ok());
    rig.take("web", {"a"});
    rig.commit();
    EXPECT_EQ(rig.delivered, 1u);
  }
  FileOutputRig rig;
};

TEST_P(FileOutputMeddling, WhileItWasStoppedLeavesTheFileAndOpensANewOne) {
  GetParam().act(rig);
  ASSERT_TRUE(rig.start().ok());
  EXPECT_EQ(rig.counter("files_left_total"), 1u);
  const Lines before = rig.messages(kFile);
  EXPECT_EQ(before, GetParam().wanted);
  rig.take("web", {"b", "c"});
  rig.commit();
  EXPECT_EQ(rig.delivered, 2u);
  const bool gone = before == Lines{"no file"};
  EXPECT_EQ(rig.messages(gone ? kFile : kNext), (Lines{"b", "c"}));
  EXPECT_EQ(rig.messages(kFile), gone ? (Lines{"b", "c"}) : before);
}

INSTANTIATE_TEST_SUITE_P(Each, FileOutputMeddling, testing::ValuesIn(kMeddlings),
                         [](const auto& row) { return row.param.name; });

// What cannot be told from the directory is not looked for at every write.
class FileOutputMeddlingMeanwhile : public FileOutputMeddling {};

TEST_P(FileOutputMeddlingMeanwhile, LosesNothingThatIsDeliveredLater) {
  GetParam().act(rig);
  rig.take("web", {"b"});
  rig.commit();
  EXPECT_EQ(rig.delivered, 1u);
  EXPECT_NE(rig.why.find("somebody"), std::string::npos) << rig.why;
  ASSERT_TRUE(rig.again().ok());
  EXPECT_EQ(rig.counter("files_left_total"), 1u);
  rig.take("web", {"b"});
  rig.commit();
  EXPECT_EQ(rig.delivered, 2u);
  const bool gone = GetParam().wanted == Lines{"no file"};
  EXPECT_EQ(rig.messages(gone ? kFile : kNext), Lines{"b"});
}

TEST_P(FileOutputMeddlingMeanwhile, IsSeenWhenTheIdleFileIsMadeFinal) {
  GetParam().act(rig);
  rig.clock.advance(std::chrono::hours(2));
  rig.output->turn();
  EXPECT_EQ(rig.counter("files_left_total"), 1u);
  EXPECT_EQ(rig.output->targets().size(), 0u);
  EXPECT_EQ(rig.messages(kFile), GetParam().wanted);
}

INSTANTIATE_TEST_SUITE_P(Each, FileOutputMeddlingMeanwhile,
                         testing::ValuesIn(kMeddlings, kMeddlings + 6),
                         [](const auto& row) { return row.param.name; });

// A full disk at every operation in turn, once or for long, at any kind of operation.
class FileOutputDiskFull : public testing::TestWithParam<OpKind> {};

TEST_P(FileOutputDiskFull, LosesNothingAndGoesOnOnceThereIsRoom) {
  uint64_t hits = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    FileOutputWorld world(seed);
    if (seed % 2 == 1) world.settings.compress = Compression::kZstd;
    const uint64_t lasts = seed % 3 == 0 ? 1 : 5;
    for (uint64_t i = 0; i < lasts; ++i) {
      world.disk().failNth(GetParam(), seed / 2 + i, Errc::kPushBack);
    }
    ASSERT_TRUE(world.live(std::nullopt));
    hits += world.failures();
    world.reboot(0);
    ASSERT_TRUE(world.live(std::nullopt));
    ASSERT_EQ(world.problem(), "") << seed;
  }
  EXPECT_GT(hits, 10u) << "the disk was never full";
}

INSTANTIATE_TEST_SUITE_P(Each, FileOutputDiskFull, testing::Values(OpKind::kCreate, OpKind::kWrite),
                         [](const auto& row) { return test::name(row.param); });

TEST(FileOutput, ADiskWithoutRoomIsSaidAndTriedAgain) {
  FileOutputWorld world(4);
  ASSERT_TRUE(world.startOnly().ok());
  world.disk().setCapacity(world.disk().usedBytes() + 3 * 4096);
  EXPECT_FALSE(world.feed());
  EXPECT_NE(world.lastWhy().find("No space left"), std::string::npos) << world.lastWhy();
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(world.startOnly().ok() && world.feed());
  }
  world.disk().setCapacity(0);
  ASSERT_TRUE(world.startOnly().ok());
  ASSERT_TRUE(world.feed());
  EXPECT_EQ(world.problem(), "");
}

TEST(FileOutput, ADirectoryThatCannotBeWrittenIsSaidAndTriedAgain) {
  FileOutputRig rig;
  const auto refuse = [](OpKind kind) {
    return [kind](const test::Operation& operation) -> std::optional<Errc> {
      if (operation.kind != kind || !operation.path.starts_with("/logs")) return std::nullopt;
      return Errc::kFixInput;  // EACCES, EROFS
    };
  };
  rig.disk.failWhen(refuse(OpKind::kCreateDirectories));
  for (int i = 0; i < 3; ++i) {
    const auto started = rig.start();
    ASSERT_FALSE(started.ok());
    EXPECT_EQ(started.code(), Errc::kRetry) << "anything else would end the output";
    EXPECT_NE(started.message().find("/logs"), std::string::npos) << started.message();
  }
  rig.disk.failWhen(nullptr);
  ASSERT_TRUE(rig.start().ok());
  rig.disk.failWhen(refuse(OpKind::kCreate));
  for (int i = 0; i < 3; ++i) {
    rig.take("web", {"a"});
    rig.commit();
    EXPECT_EQ(rig.retried, static_cast<uint64_t>(i + 1));
    EXPECT_NE(rig.why.find("/logs/shop/web_app.log"), std::string::npos) << rig.why;
    ASSERT_TRUE(rig.again().ok());
  }
  rig.disk.failWhen(nullptr);
  rig.take("web", {"a"});
  rig.commit();
  EXPECT_EQ(rig.messages(kFile), Lines{"a"});
}

TEST(FileOutput, AFileInTheWayOfTheDirectoryIsTriedAgain) {
  FileOutputRig rig;
  rig.settings.directory = "/logs/all";
  rig.write("all", "a file");
  EXPECT_EQ(rig.start().code(), Errc::kRetry);
  ASSERT_TRUE(rig.disk.remove("/logs/all").ok());
  EXPECT_TRUE(rig.start().ok());
}

// Invariant 9, also when what may lie behind the committed length cannot be cut at once.
TEST(FileOutput, AFileWhoseSyncFailedIsNeverWrittenToAgain) {
  for (const uint64_t failures : {1, 2, 3}) {
    FileOutputRig rig;
    ASSERT_TRUE(rig.start().ok());
    rig.take("web", {"a"});
    rig.commit();
    uint64_t left = failures;
    rig.disk.failWhen([&left](const test::Operation& operation) -> std::optional<Errc> {
      if (operation.kind != OpKind::kSyncData || operation.path != "/logs/shop/web_app.log" ||
          left == 0) {
        return std::nullopt;
      }
      --left;
      return Errc::kStop;
    });
    rig.take("web", {"b"});
    rig.commit();
    EXPECT_EQ(rig.retried, 1u);
    uint64_t writes = 0;
    rig.disk.observe([&writes](const test::Operation& operation) {
      const bool there = operation.path == "/logs/shop/web_app.log";
      writes += there && operation.kind == OpKind::kWrite ? 1 : 0;
    });
    for (int life = 0; life < 3; ++life) {
      ASSERT_TRUE(life == 0 ? rig.again().ok() : rig.start().ok());
      rig.take("web", {"b" + std::to_string(life)});
      rig.commit();
    }
    EXPECT_EQ(writes, 0u);
    EXPECT_EQ(rig.messages(kFile), Lines{"a"});
    EXPECT_EQ(rig.messages(kNext), (Lines{"b0", "b1", "b2"}));
  }
}

// Damage to the manifest that hides commits: what is longer than it says is left, not cut.
// Files are synced together: one failure must not hide another, nor take the others along.
TEST(FileOutput, OfAGroupOnlyTheFilesWhoseSyncFailedAreGivenUp) {
  FileOutputRig rig;
  ASSERT_TRUE(rig.start().ok());
  const auto takeAll = [&rig](const std::string& line) {
    for (const char* pod : {"p0", "p1", "p2", "p3", "p4"}) rig.take(pod, {line});
    rig.commit();
  };
  takeAll("a");
  const auto isBad = [](const std::string& path) {
    return path.ends_with("p1_app.log") || path.ends_with("p3_app.log");
  };
  uint64_t left = 2;
  rig.disk.failWhen([&](const test::Operation& operation) -> std::optional<Errc> {
    if (operation.kind != OpKind::kSyncData || !isBad(operation.path) || left == 0) return {};
    --left;
    return Errc::kStop;
  });
  takeAll("b");
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(rig.retried, 5u);
  ASSERT_TRUE(rig.again().ok());
  takeAll("c");
  for (const char* pod : {"p0", "p2", "p4"}) {
    EXPECT_EQ(rig.messages("shop/" + std::string(pod) + "_app.log"), (Lines{"a", "c"}));
  }
  for (const char* pod : {"p1", "p3"}) {
    EXPECT_EQ(rig.messages("shop/" + std::string(pod) + "_app.log"), Lines{"a"});
    EXPECT_EQ(rig.messages("shop/" + std::string(pod) + "_app_1.log"), Lines{"c"});
  }
}

TEST(FileOutput, LeavesFilesWhoseLengthDamageHides) {
  FileOutputRig rig;
  ASSERT_TRUE(rig.start().ok());
  std::vector<size_t> ends;
  for (const char* pod : {"web", "web", "db", "db", "db"}) {
    rig.take(pod, {std::string("from ") + pod + std::to_string(ends.size())});
    rig.commit();
    ends.push_back(manifestBytes(rig.disk, 1).size());
  }
  std::string bad = manifestBytes(rig.disk, 1);
  bad[ends[1] - 1] ^= 1;  // the third would repeat what this one says of web's file
  bad[ends[2] - 1] ^= 1;
  writeManifest(rig.disk, 1, bad);
  ASSERT_TRUE(rig.start().ok());
  EXPECT_EQ(rig.counter("manifest_uncertain_total"), 1u);
  EXPECT_GT(rig.counter("manifest_damaged_total"), 0u);
  EXPECT_EQ(rig.messages(kFile), (Lines{"from web0", "from web1"}));
  EXPECT_EQ(rig.next, 6u) << "the position is that of the newest commit";
  rig.take("web", {"new"});
  rig.commit();
  EXPECT_EQ(rig.messages(kNext), Lines{"new"});
  EXPECT_EQ(rig.messages("shop/db_app.log"), (Lines{"from db2", "from db3", "from db4"}));
}

// The same with a file that was announced, but in no commit that can be read.
TEST(FileOutput, LeavesFilesThatAHiddenCommitMayHaveTakenOver) {
  FileOutputRig rig;
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.commit();
  rig.take("web", {"b"});
  rig.commit();
  const size_t end = manifestBytes(rig.disk, 1).size();
  rig.disk.failNth(OpKind::kWrite, 2, Errc::kPushBack);  // announcement, lines, commit
  rig.take("db", {"c"});
  rig.commit();
  ASSERT_EQ(rig.retried, 1u);
  ASSERT_EQ(rig.messages("shop/db_app.log"), Lines{"c"});
  std::string bad = manifestBytes(rig.disk, 1);
  bad[end - 1] ^= 1;
  writeManifest(rig.disk, 1, bad);
  ASSERT_TRUE(rig.start().ok());
  EXPECT_EQ(rig.counter("manifest_uncertain_total"), 1u);
  EXPECT_EQ(rig.counter("files_left_total"), 2u);
  EXPECT_EQ(rig.counter("files_removed_total"), 0u);
  EXPECT_EQ(rig.messages(kFile), (Lines{"a", "b"}));
  EXPECT_EQ(rig.messages("shop/db_app.log"), Lines{"c"});
}

// Every line of a pod, over its files.
Lines linesOf(FileOutputRig& rig, const std::string& pod) {
  Lines all;
  for (const char* rest : {"_app.log", "_app_1.log", "_app_2.log"}) {
    const Lines lines = rig.messages("shop/" + pod + rest);
    if (lines != Lines{"no file"}) all.insert(all.end(), lines.begin(), lines.end());
  }
  return all;
}

class FileOutputOnADamagedManifest : public testing::Test {
 protected:
  FileOutputOnADamagedManifest() {
    EXPECT_TRUE(rig.start().ok());
    deliver(rig);
    bytes = manifestBytes(rig.disk, 1);
  }

  // What is behind the cursor; batch n is always the same.
  static void deliver(FileOutputRig& to) {
    static const char* const kPods[] = {"web", "db", "web", "web", "db"};
    while (to.next <= 5) {
      const char* pod = kPods[to.next - 1];
      to.take(pod, {pod + std::to_string(to.next)});
      to.commit();
    }
  }
  // Starts on the damaged bytes and goes on to the end.
  void runOn(const std::string& bad, FileOutputRig& on) {
    on.disk = *rig.disk.crash(1);
    writeManifest(on.disk, 1, bad);
    ASSERT_TRUE(on.start().ok());
    deliver(on);
    EXPECT_EQ(on.retried, 0u);
    for (const auto& [pod, lines] : wanted) {
      const Lines found = linesOf(on, pod);
      for (const std::string& line : lines) {
        EXPECT_NE(std::find(found.begin(), found.end(), line), found.end()) << line;
      }
    }
  }

  FileOutputRig rig;
  std::string bytes;
  const std::map<std::string, Lines> wanted = {{"web", {"web1", "web3", "web4"}},
                                               {"db", {"db2", "db5"}}};
};

TEST_F(FileOutputOnADamagedManifest, AFlippedByteAnywhereLosesAndDoublesNothingUnsaid) {
  for (size_t at = 0; at < bytes.size(); ++at) {
    SCOPED_TRACE(at);
    std::string bad = bytes;
    bad[at] ^= 0x40;
    FileOutputRig on;
    runOn(bad, on);
    EXPECT_GT(on.counter("manifest_damaged_total") + on.counter("manifest_torn_bytes_total"), 0u);
    EXPECT_EQ(on.counter("files_left_total"), 0u);
    for (const auto& [pod, lines] : wanted) EXPECT_EQ(linesOf(on, pod), lines);
  }
}

TEST_F(FileOutputOnADamagedManifest, TornAnywhereItLosesNothing) {
  for (size_t size = 0; size < bytes.size(); ++size) {
    SCOPED_TRACE(size);
    FileOutputRig on;
    runOn(bytes.substr(0, size), on);
  }
}

// Everything below the data directory and the logs.
std::map<std::string, std::string> everything(base::FileSystem& disk, const std::string& root) {
  std::map<std::string, std::string> found;
  const auto names = disk.list(root);
  for (const std::string& name : *names) {
    const std::string path = root + "/" + name;
    if (disk.info(path)->isDirectory) {
      found.merge(everything(disk, path));
    } else {
      found[path] = base::readFile(disk, path, 1 << 30).value();
    }
  }
  return found;
}

TEST(FileOutput, StateOfANewerVersionIsRefusedAndNothingIsTouched) {
  FileOutputRig rig;
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.commit();
  rig.write(kFile, rig.bytes(kFile) + "uncommitted\n");
  std::string newer = manifestBytes(rig.disk, 1);
  base::storeFixed(newer.data() + 8, kManifestVersion + 1);
  base::storeFixed(newer.data() + 20, base::crc32c({newer.data(), 20}));
  writeManifest(rig.disk, 1, newer);
  const auto before = everything(rig.disk, "");
  EXPECT_EQ(before.size(), 2u);
  const uint64_t operations = rig.disk.operations();
  EXPECT_EQ(rig.start().code(), Errc::kTooNew);
  EXPECT_EQ(everything(rig.disk, ""), before);
  EXPECT_EQ(rig.disk.operations(), operations);
}

TEST(FileOutput, DeliversWhenTheGroupIsLargeOrOldEnough) {
  FileOutputRig rig;
  rig.settings.commitSize = base::Bytes{1000};
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {std::string(400, 'a')});
  rig.take("web", {std::string(400, 'b')});
  EXPECT_EQ(rig.delivered, 0u);
  rig.take("web", {std::string(400, 'c')});
  EXPECT_EQ(rig.delivered, 3u);
  rig.take("web", {"d"});
  EXPECT_EQ(rig.output->turn(), rig.clock.steady() + rig.settings.commitAge);
  EXPECT_EQ(rig.delivered, 3u);
  rig.clock.advance(rig.settings.commitAge);
  rig.output->turn();
  EXPECT_EQ(rig.delivered, 4u);
  EXPECT_EQ(rig.counter("commits_total"), 2u);
}

TEST(FileOutput, StopFinishesWhatItTook) {
  FileOutputRig rig;
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.output->stop();
  EXPECT_EQ(rig.delivered, 1u);
  EXPECT_EQ(rig.output->targets().openFiles(), 0u);
  rig.take("web", {"b"});
  EXPECT_EQ(rig.retried, 1u);
  ASSERT_TRUE(rig.again().ok());
  rig.take("web", {"b"});
  rig.commit();
  EXPECT_EQ(rig.messages(kFile), (Lines{"a", "b"}));
}

TEST(FileOutput, PutsEachRecordWhereItsTimeBelongs) {
  FileOutputRig rig;
  rig.settings.path = "{pod}-{date}-{hour}.log";
  ASSERT_TRUE(rig.start().ok());
  constexpr int64_t kHour = 3'600'000'000'000;
  auto batch = std::make_shared<TestBatch>(1);
  batch->add(testStream("web"), 1,
             {{"a", 0}, {"b", kHour - 1}, {"c", kHour}, {"d", 1}, {"e", 30 * kHour}});
  rig.give(std::move(batch));
  rig.commit();
  EXPECT_EQ(rig.messages("web-1970-01-01-00.log"), (Lines{"a", "b", "d"}));
  EXPECT_EQ(rig.messages("web-1970-01-01-01.log"), Lines{"c"});
  EXPECT_EQ(rig.messages("web-1970-01-02-06.log"), Lines{"e"});
}

TEST(FileOutput, RefusesAPathThatCannotBe) {
  FileOutputRig rig;
  rig.settings.path = "{pods}.log";
  const auto made = FileOutput::make(rig.settings, rig.context(rig.disk));
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.code(), Errc::kFixInput);
}

TEST(FileOutput, ForgetsStreamsWithItsNextCommit) {
  FileOutputRig rig;
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.commit();
  rig.output->forget({testStream("web")->key()});
  rig.clock.advance(rig.settings.commitAge);
  rig.output->turn();
  const auto progress = Manifest::read(rig.disk, rig.kData);
  EXPECT_TRUE(progress->streams.empty());
  EXPECT_EQ(progress->forgotten[Fate::kDelivered].records, 1u);
  EXPECT_EQ(progress->position->sequence, 2u);
}

}  // namespace
}  // namespace logtail::outputs
