#include "tests/support/crash_file_system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <thread>

#include "tests/support/fake_clock.h"

namespace logtail::test {
namespace {

using base::Errc;
using base::OpenMode;

constexpr uint64_t kSeeds = 40;
constexpr uint64_t kKeepsNothing = 0;
constexpr uint64_t kKeepsAll = 1;

std::string contents(base::FileSystem& fs, const std::string& path) {
  auto bytes = base::readFile(fs, path, 1 << 20);
  return bytes.ok() ? *bytes : "<" + std::string(base::name(bytes.code())) + ">";
}

class CrashFileSystemTest : public ::testing::Test {
 protected:
  std::unique_ptr<base::File> create(const std::string& path) {
    auto file = fs_.open(path, OpenMode::kCreate);
    EXPECT_TRUE(file.ok());
    return std::move(*file);
  }
  // A file whose bytes and name are durable.
  std::unique_ptr<base::File> durable(const std::string& path, std::string_view bytes) {
    auto file = create(path);
    EXPECT_TRUE(file->write(0, bytes).ok());
    EXPECT_TRUE(file->syncData().ok());
    EXPECT_TRUE(fs_.syncDirectory(base::directoryOf(path)).ok());
    return file;
  }
  std::string afterCrash(uint64_t seed, const std::string& path) {
    return contents(*fs_.crash(seed), path);
  }
  std::set<std::string> possible(const std::string& path) {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) seen.insert(afterCrash(seed, path));
    return seen;
  }

  CrashFileSystem fs_;
};

TEST_F(CrashFileSystemTest, KeepsWhatWasSyncedThroughEveryCrash) {
  durable("a", "hello");
  EXPECT_EQ(possible("a"), std::set<std::string>{"hello"});
}

TEST_F(CrashFileSystemTest, MayKeepOrLoseAnUnsyncedWrite) {
  auto file = durable("a", "old");
  ASSERT_TRUE(file->write(0, "new").ok());
  EXPECT_EQ(contents(fs_, "a"), "new");
  EXPECT_EQ(afterCrash(kKeepsNothing, "a"), "old");
  EXPECT_EQ(afterCrash(kKeepsAll, "a"), "new");
  EXPECT_EQ(possible("a"), (std::set<std::string>{"old", "new"}));
}

TEST_F(CrashFileSystemTest, KeepsSectorsOfOneWriteIndependently) {
  auto file = durable("a", std::string(2048, 'o'));
  ASSERT_TRUE(file->write(0, std::string(2048, 'n')).ok());
  std::set<std::string> patterns;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string bytes = afterCrash(seed, "a");
    std::string pattern;
    for (size_t at = 0; at < bytes.size(); at += 512) {
      const std::string sector = bytes.substr(at, 512);
      EXPECT_EQ(std::count(sector.begin(), sector.end(), sector[0]), 512) << "a torn sector";
      pattern += sector[0];
    }
    patterns.insert(pattern);
  }
  EXPECT_EQ(patterns.size(), 16U) << "every combination, a later sector without an earlier one too";
}

TEST_F(CrashFileSystemTest, MayShowAnyVersionOfASectorSinceTheLastSync) {
  auto file = durable("a", "0");
  for (const char* version : {"1", "2", "3"}) ASSERT_TRUE(file->write(0, version).ok());
  EXPECT_EQ(possible("a"), (std::set<std::string>{"0", "1", "2", "3"}));
}

TEST_F(CrashFileSystemTest, MayGrowAFileWithoutItsBytes) {
  auto file = durable("a", "");
  ASSERT_TRUE(file->write(0, "bytes").ok());
  std::set<size_t> sizes;
  bool zeros = false;
  bool stale = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string bytes = afterCrash(seed, "a");
    sizes.insert(bytes.size());
    if (bytes.size() != 5 || bytes == "bytes") continue;
    (bytes == std::string(5, '\0') ? zeros : stale) = true;
  }
  EXPECT_EQ(sizes, (std::set<size_t>{0, 5}));
  EXPECT_TRUE(zeros);
  EXPECT_TRUE(stale) << "what the disk held before shows in blocks that were only written";
}

TEST_F(CrashFileSystemTest, ShowsZerosInReservedBytesThatWereNotWrittenBack) {
  auto file = durable("a", "");
  ASSERT_TRUE(file->allocate(4096).ok());
  ASSERT_TRUE(file->syncData().ok());
  ASSERT_TRUE(file->write(512, "bytes").ok());
  std::string written(4096, '\0');
  written.replace(512, 5, "bytes");
  EXPECT_EQ(possible("a"), (std::set<std::string>{std::string(4096, '\0'), written}));
}

TEST_F(CrashFileSystemTest, ShowsBytesBehindAShrinkOnlyWithTheShrink) {
  auto file = durable("a", "old bytes");
  ASSERT_TRUE(file->truncate(0).ok());
  ASSERT_TRUE(file->write(0, "new").ok());
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const std::string bytes = afterCrash(seed, "a");
    EXPECT_TRUE(bytes == "old bytes" || bytes.size() == 0 || bytes.size() == 3) << bytes;
    EXPECT_NE(bytes, "old") << "freed blocks do not come back";
  }
  ASSERT_TRUE(file->syncData().ok());
  EXPECT_EQ(possible("a"), std::set<std::string>{"new"});
}

TEST_F(CrashFileSystemTest, MayLoseForGoodWhatAFailedSyncHeld) {
  auto file = durable("a", "old");
  ASSERT_TRUE(file->write(0, "new").ok());
  fs_.failNth(OpKind::kSyncData, 0, Errc::kStop);
  EXPECT_EQ(file->syncData().code(), Errc::kStop);
  EXPECT_TRUE(file->syncData().ok()) << "Linux reports a failed write-back once";
  EXPECT_EQ(contents(fs_, "a"), "new");
  EXPECT_EQ(possible("a"), (std::set<std::string>{"old", "new"}));
  ASSERT_TRUE(file->write(0, "now").ok());
  ASSERT_TRUE(file->syncData().ok());
  EXPECT_EQ(possible("a"), std::set<std::string>{"now"}) << "written again, it is safe";
}

TEST_F(CrashFileSystemTest, SyncsAllInSomeOrderEachForItself) {
  std::vector<std::unique_ptr<base::File>> owned;
  std::vector<base::File*> files;
  for (int i = 0; i < 6; ++i) {
    owned.push_back(durable(std::to_string(i), "old"));
    files.push_back(owned.back().get());
  }
  std::set<std::string> failed;
  for (int round = 0; round < 20; ++round) {
    for (base::File* file : files) ASSERT_TRUE(file->write(0, "new").ok());
    fs_.failNth(OpKind::kSyncData, 2, Errc::kStop);
    const std::vector<base::Status> answers = fs_.syncAll(files);
    ASSERT_EQ(answers.size(), files.size());
    for (size_t i = 0; i < files.size(); ++i) {
      const std::string name = std::to_string(i);
      if (!answers[i].ok()) failed.insert(name);
      EXPECT_TRUE(!answers[i].ok() || afterCrash(kKeepsNothing, name) == "new") << name;
    }
    EXPECT_EQ(std::ranges::count_if(answers, [](const auto& answer) { return answer.ok(); }), 5);
  }
  EXPECT_GT(failed.size(), 2U) << "not always the third";
}

TEST_F(CrashFileSystemTest, LeavesAFailedWriteHalfDone) {
  auto file = durable("a", "----");
  fs_.failNth(OpKind::kWrite, 1, Errc::kRetry);
  ASSERT_TRUE(file->write(0, "1").ok());
  EXPECT_EQ(file->write(0, "xxxx").code(), Errc::kRetry);
  EXPECT_EQ(contents(fs_, "a"), "xx--");
  EXPECT_TRUE(file->write(0, "yyyy").ok()) << "a planned fault happens once";
}

TEST_F(CrashFileSystemTest, FailsWhatAHookChooses) {
  fs_.failWhen([](const Operation& operation) -> std::optional<Errc> {
    if (operation.kind == OpKind::kRename && operation.target == "b") return Errc::kStop;
    return std::nullopt;
  });
  durable("a", "x");
  EXPECT_EQ(fs_.rename("a", "b").code(), Errc::kStop);
  EXPECT_EQ(contents(fs_, "a"), "x");
  EXPECT_TRUE(fs_.rename("a", "c").ok());
}

TEST_F(CrashFileSystemTest, PushesBackWhenFullUntilThereIsRoom) {
  fs_.setCapacity(2 * 4096);
  auto file = durable("a", std::string(4096, 'a'));
  EXPECT_EQ(file->write(4096, std::string(8192, 'b')).code(), Errc::kPushBack);
  EXPECT_EQ((*file->info()).size, 8192U) << "a write to a full disk has written what fits";
  EXPECT_EQ(file->allocate(12288).code(), Errc::kPushBack);
  EXPECT_EQ(fs_.open("b", OpenMode::kCreate).code(), Errc::kPushBack);
  EXPECT_EQ(fs_.space("/")->availableBytes, 0U);
  EXPECT_TRUE(file->write(0, "in place").ok());
  ASSERT_TRUE(file->truncate(4096).ok());
  EXPECT_TRUE(fs_.open("b", OpenMode::kCreate).ok());
  fs_.setCapacity(4 * 4096);
  EXPECT_TRUE(file->write(4096, std::string(8192, 'b')).ok());
}

TEST_F(CrashFileSystemTest, HoldsTheSpaceOfARemovedFileUntilItIsClosed) {
  auto file = durable("a", std::string(4096, 'a'));
  ASSERT_TRUE(fs_.remove("a").ok());
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  EXPECT_EQ(fs_.usedBytes(), 4096U);
  char byte = 0;
  EXPECT_EQ(*file->readAt(0, {&byte, 1}), 1U);
  EXPECT_EQ(byte, 'a');
  file.reset();
  EXPECT_EQ(fs_.usedBytes(), 0U);
}

TEST_F(CrashFileSystemTest, RefusesEverythingAfterTheCrash) {
  auto file = durable("a", "x");
  fs_.crashAfterOperation(1);
  EXPECT_TRUE(file->write(0, "y").ok());
  EXPECT_FALSE(fs_.crashed());
  EXPECT_EQ(file->write(0, "z").code(), Errc::kStop);
  EXPECT_TRUE(fs_.crashed());
  EXPECT_EQ(file->syncData().code(), Errc::kStop);
  EXPECT_EQ(fs_.list("/").code(), Errc::kStop);
  EXPECT_EQ(fs_.open("a", OpenMode::kRead).code(), Errc::kStop);
  EXPECT_EQ(afterCrash(kKeepsAll, "a"), "y");
}

TEST_F(CrashFileSystemTest, AnswersAsThePosixFilesDo) {
  EXPECT_EQ(fs_.open("a", OpenMode::kRead).code(), Errc::kNotFound);
  EXPECT_EQ(fs_.open("none/a", OpenMode::kCreate).code(), Errc::kNotFound);
  durable("a", "x");
  EXPECT_EQ(fs_.open("a", OpenMode::kCreateExclusive).code(), Errc::kFixInput);
  EXPECT_EQ(fs_.createDirectories("a/b").code(), Errc::kFixInput);
  EXPECT_EQ(fs_.rename("b", "a").code(), Errc::kNotFound);
  EXPECT_EQ(fs_.remove("b").code(), Errc::kNotFound);
  EXPECT_FALSE((*fs_.open("a", OpenMode::kRead))->write(0, "y").ok());
  ASSERT_TRUE(fs_.createDirectories("/d/e").ok());
  EXPECT_EQ(*fs_.list("/"), (std::vector<std::string>{"a", "d"}));
  EXPECT_TRUE(fs_.info("d")->isDirectory);
  EXPECT_FALSE(fs_.remove("d").ok()) << "not empty";
  EXPECT_TRUE(fs_.crash(kKeepsNothing)->info("/d/e").ok()) << "directories are durable at once";
}

TEST_F(CrashFileSystemTest, KeepsInodesAcrossRenameAndGivesTimes) {
  FakeClock clock;
  CrashFileSystem fs(&clock);
  ASSERT_TRUE(base::writeFileAtomically(fs, "a", "1").ok());
  const base::FileInfo first = *fs.info("a");
  EXPECT_EQ(first.modifiedNanos, FakeClock::kStart);
  ASSERT_TRUE(fs.rename("a", "b").ok());
  EXPECT_EQ(fs.info("b")->inode, first.inode);
  clock.advance(std::chrono::seconds(1));
  ASSERT_TRUE(base::writeFileAtomically(fs, "a", "2").ok());
  EXPECT_NE(fs.info("a")->inode, first.inode);
  EXPECT_EQ(fs.info("a")->modifiedNanos, FakeClock::kStart + 1'000'000'000);
}

TEST_F(CrashFileSystemTest, IsUsedByManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int n = 0; n < 200; ++n) {
        const std::string path = "t" + std::to_string(i);
        EXPECT_TRUE(base::writeFileAtomically(fs_, path, std::to_string(n)).ok());
        EXPECT_EQ(contents(fs_, path), std::to_string(n));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(possible("t3"), std::set<std::string>{"199"});
}

}  // namespace
}  // namespace logtail::test
