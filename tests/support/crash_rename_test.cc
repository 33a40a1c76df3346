#include <gtest/gtest.h>

#include <set>

#include "tests/support/crash_file_system.h"

namespace logtail::test {
namespace {

using base::OpenMode;

constexpr uint64_t kSeeds = 60;

std::string listing(CrashFileSystem& fs, const std::string& directory = "/") {
  std::string text;
  const auto names = fs.list(directory);
  for (const std::string& name : *names) {
    const std::string path = directory + "/" + name;
    if (fs.info(path)->isDirectory) continue;
    text += (text.empty() ? "" : " ") + name + "=" + *base::readFile(fs, path, 4096);
  }
  return text;
}

class CrashRenameTest : public ::testing::Test {
 protected:
  void write(const std::string& path, std::string_view bytes, bool sync = true) {
    auto file = fs_.open(path, OpenMode::kCreate);
    ASSERT_TRUE((*file)->write(0, bytes).ok());
    if (sync) {
      ASSERT_TRUE((*file)->syncData().ok());
    }
  }
  std::set<std::string> possible() {
    std::set<std::string> seen;
    for (uint64_t seed = 0; seed < kSeeds; ++seed) seen.insert(listing(*fs_.crash(seed)));
    return seen;
  }

  CrashFileSystem fs_;
};

using Listings = std::set<std::string>;

TEST_F(CrashRenameTest, MayLoseASyncedFileWhoseNameWasNot) {
  write("a", "1");
  EXPECT_EQ(possible(), (Listings{"", "a=1"}));
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  EXPECT_EQ(possible(), Listings{"a=1"});
}

TEST_F(CrashRenameTest, ShowsTheOldNameOrTheNewNeverNeither) {
  write("a", "1");
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  ASSERT_TRUE(fs_.rename("a", "b").ok());
  EXPECT_EQ(possible(), (Listings{"a=1", "b=1"}));
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  EXPECT_EQ(possible(), Listings{"b=1"});
}

TEST_F(CrashRenameTest, ReplacesAFileWholeOrNotAtAll) {
  write("a", "old");
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  write("a.tmp", "new");
  ASSERT_TRUE(fs_.rename("a.tmp", "a").ok());
  EXPECT_EQ(possible(), (Listings{"a=old", "a=old a.tmp=new", "a=new"}));
}

TEST_F(CrashRenameTest, ExposesATornFileRenamedBeforeItsSync) {
  write("a", "old");
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  write("a.tmp", "new", false);
  ASSERT_TRUE(fs_.rename("a.tmp", "a").ok());
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  const Listings seen = possible();
  EXPECT_TRUE(seen.contains("a="));
  EXPECT_TRUE(seen.contains("a=new"));
  EXPECT_FALSE(seen.contains("a=old"));
}

TEST_F(CrashRenameTest, KeepsOrLosesUnrelatedNamesInAnyOrder) {
  write("a", "1");
  write("b", "2");
  EXPECT_EQ(possible(), (Listings{"", "a=1", "b=2", "a=1 b=2"}));
}

TEST_F(CrashRenameTest, KeepsOperationsOfOneNameInOrder) {
  write("a", "1");
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  ASSERT_TRUE(fs_.remove("a").ok());
  write("a", "2");
  ASSERT_TRUE(fs_.rename("a", "b").ok());
  EXPECT_EQ(possible(), (Listings{"a=1", "", "a=2", "b=2"}));
}

TEST_F(CrashRenameTest, MayBringBackARemovedFile) {
  write("a", "1");
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  ASSERT_TRUE(fs_.remove("a").ok());
  EXPECT_EQ(possible(), (Listings{"a=1", ""}));
  ASSERT_TRUE(fs_.syncDirectory("/").ok());
  EXPECT_EQ(possible(), Listings{""});
}

TEST_F(CrashRenameTest, MakesARenameBetweenDirectoriesSafeByTheTargets) {
  ASSERT_TRUE(fs_.createDirectories("from").ok());
  ASSERT_TRUE(fs_.createDirectories("to").ok());
  write("from/a", "1");
  ASSERT_TRUE(fs_.syncDirectory("from").ok());
  ASSERT_TRUE(fs_.rename("from/a", "to/b").ok());
  ASSERT_TRUE(fs_.syncDirectory("from").ok());
  Listings seen;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    auto after = fs_.crash(seed);
    seen.insert(listing(*after, "from") + "|" + listing(*after, "to"));
  }
  EXPECT_EQ(seen, (Listings{"a=1|", "|b=1"}));
  ASSERT_TRUE(fs_.syncDirectory("to").ok());
  for (uint64_t seed = 0; seed < kSeeds; ++seed) EXPECT_EQ(listing(*fs_.crash(seed), "to"), "b=1");
}

// The promise of base::writeFileAtomically under a crash after each of its operations: how many of
// these states broke it when `ignore` takes syncs away.
uint64_t brokenAtomicWrites(const CrashFileSystem::Ignore& ignore) {
  uint64_t broken = 0;
  for (uint64_t n = 0;; ++n) {
    CrashFileSystem fs;
    EXPECT_TRUE(base::writeFileAtomically(fs, "state", "old").ok());
    fs.crashAfterOperation(n);
    fs.ignoreSyncs(ignore);
    const bool done = base::writeFileAtomically(fs, "state", "new").ok();
    for (uint64_t seed = 0; seed < kSeeds; ++seed) {
      auto bytes = base::readFile(*fs.crash(seed), "state", 100);
      const bool kept = bytes.ok() && (*bytes == "new" || (!done && *bytes == "old"));
      broken += kept ? 0 : 1;
    }
    if (!fs.crashed()) return broken;
  }
}

TEST(CrashedAtomicWrite, HoldsTheOldBytesOrTheNew) {
  EXPECT_EQ(brokenAtomicWrites(nullptr), 0U);
}

TEST(CrashedAtomicWrite, IsSeenToBreakWithoutEitherOfItsSyncs) {
  EXPECT_GT(brokenAtomicWrites([](const std::string&, bool isDirectory) { return !isDirectory; }),
            0U);
  EXPECT_GT(brokenAtomicWrites([](const std::string&, bool isDirectory) { return isDirectory; }),
            0U);
}

}  // namespace
}  // namespace logtail::test
