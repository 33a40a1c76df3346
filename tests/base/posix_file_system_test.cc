// What the machine's files do when a directory cannot be synced.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "tests/support/temp_dir.h"

namespace {

// The directories that were synced, in order, and those whose sync fails.
std::vector<std::string> synced;
std::map<std::string, int> failing;

std::string pathOf(int fd) {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), error).string();
}

}  // namespace

// In the place of the C library's, for this program.
extern "C" int fsync(int fd) {
  const std::string path = pathOf(fd);
  synced.push_back(path);
  const auto found = failing.find(path);
  if (found == failing.end()) return static_cast<int>(syscall(SYS_fsync, fd));
  errno = found->second;
  return -1;
}

namespace logtail::base {
namespace {

class PosixDirectories : public testing::Test {
 protected:
  PosixDirectories() { EXPECT_TRUE(files_.createDirectories(dir_.path()).ok()); }
  ~PosixDirectories() override { failing.clear(); }

  Status create(const std::string& name) {
    synced.clear();
    return files_.createDirectories(dir_ / name);
  }

  test::TempDir dir_;
  FileSystem& files_ = posixFileSystem();
};

TEST_F(PosixDirectories, SyncTheParentOfEachNewDirectoryOnce) {
  ASSERT_TRUE(create("a/b").ok());
  EXPECT_EQ(synced, (std::vector<std::string>{dir_.path(), dir_ / "a"}));
  ASSERT_TRUE(create("a/b").ok());
  EXPECT_EQ(synced, std::vector<std::string>{});
  ASSERT_TRUE(create("a/c").ok());
  EXPECT_EQ(synced, std::vector<std::string>{dir_ / "a"});
}

TEST_F(PosixDirectories, AreNotTakenForDurableAfterAFailedSync) {
  failing[dir_.path()] = EIO;
  EXPECT_EQ(create("a/b").code(), Errc::kStop);
  EXPECT_EQ(create("a/b").code(), Errc::kStop) << "it still fails";
  EXPECT_EQ(synced, std::vector<std::string>{dir_.path()});
  failing.clear();
  ASSERT_TRUE(create("a/b").ok());
  EXPECT_EQ(synced, (std::vector<std::string>{dir_.path(), dir_ / "a"}));
}

TEST_F(PosixDirectories, AreNotTakenForDurableAfterAFailedSyncAlsoWithFilesInThem) {
  failing[dir_.path()] = EIO;
  EXPECT_EQ(create("a").code(), Errc::kStop);
  std::filesystem::create_directories(dir_ / "a/of-somebody-else");
  EXPECT_EQ(create("a").code(), Errc::kStop);
  failing.clear();
  ASSERT_TRUE(create("a").ok());
  EXPECT_EQ(synced, std::vector<std::string>{dir_.path()});
}

TEST_F(PosixDirectories, AreSyncedWhoeverMadeThem) {
  std::filesystem::create_directories(dir_ / "a/b");
  ASSERT_TRUE(create("a/b").ok());
  EXPECT_EQ(synced, (std::vector<std::string>{dir_.path(), dir_ / "a"}));
  failing[dir_ / "a"] = EIO;
  std::filesystem::create_directories(dir_ / "a/c");
  EXPECT_EQ(create("a/c").code(), Errc::kStop);
}

TEST_F(PosixDirectories, AreSyncedAgainWhenAnotherOneHasTheName) {
  ASSERT_TRUE(create("a").ok());
  std::filesystem::rename(dir_ / "a", dir_ / "old");
  std::filesystem::create_directory(dir_ / "a");
  ASSERT_TRUE(create("a").ok());
  EXPECT_EQ(synced, std::vector<std::string>{dir_.path()});
}

TEST_F(PosixDirectories, BelowOneThatKnowsNoSyncAreUsedAsTheyAreAndNotMade) {
  std::filesystem::create_directories(dir_ / "a");
  failing[dir_.path()] = EINVAL;
  EXPECT_TRUE(create("a").ok());
  EXPECT_FALSE(create("b").ok());
  EXPECT_FALSE(std::filesystem::exists(dir_ / "b"));
}

TEST(PosixFiles, ANamedPipeOrADirectoryIsRefusedAndNotWaitedFor) {
  const test::TempDir dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(readFile(posixFileSystem(), dir / "pipe", 100).code(), Errc::kFixInput);
  EXPECT_EQ(readFile(posixFileSystem(), dir.path(), 100).code(), Errc::kFixInput);
}

}  // namespace
}  // namespace logtail::base
