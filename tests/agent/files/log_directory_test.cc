#include "agent/log_directory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temp_dir.h"

namespace logtail::agent {
namespace {

namespace fs = std::filesystem;

class LogDirectory : public testing::Test {
 protected:
  void file(const std::string& name) { std::ofstream(dir_ / name) << name; }
  std::string list(uint32_t restart = 0) {
    const auto listed = listLogDirectory(dir_.path(), restart);
    if (!listed.ok()) return base::name(listed.code());
    std::string names;
    for (const ListedLogFile& one : *listed) {
      names += (names.empty() ? "" : " ") + fs::path(one.path).filename().string();
    }
    return names;
  }

  logtail::test::TempDir dir_;
};

TEST_F(LogDirectory, ListsOldestFirstAndTheCurrentFileLast) {
  for (const char* name : {"0.log", "0.log.20261202-120001", "0.log.20261201-235959.gz", "0.log.2",
                           "0.log.10", "0.log.1"}) {
    file(name);
  }
  EXPECT_EQ(list(),
            "0.log.10 0.log.2 0.log.1 0.log.20261201-235959.gz 0.log.20261202-120001 0.log");
}

TEST_F(LogDirectory, LeavesOutTemporariesOtherRestartsAndOtherNames) {
  for (const char* name : {"0.log", "1.log", "10.log", "0.log.tmp", "0.log.20261202-120001.tmp",
                           "0.log.20261202-120001.gz.tmp", "0.log.old", "0.logs", "x0.log"}) {
    file(name);
  }
  fs::create_directory(dir_ / "0.log.20261202-120009");
  fs::create_symlink(dir_ / "1.log", dir_ / "0.log.20261202-120008");
  EXPECT_EQ(list(0), "0.log");
  EXPECT_EQ(list(1), "1.log");
}

TEST_F(LogDirectory, APlainFileHidesItsCompressedCopy) {
  file("0.log.20261202-120001");
  file("0.log.20261202-120001.gz");
  EXPECT_EQ(list(), "0.log.20261202-120001");
}

TEST_F(LogDirectory, ALinkInItsPlaceIsNotFollowed) {
  EXPECT_EQ(listLogDirectory(dir_ / "none", 0).code(), base::Errc::kNotFound);
  fs::create_directory(dir_ / "real");
  fs::create_symlink(dir_ / "real", dir_ / "link");
  EXPECT_EQ(listLogDirectory(dir_ / "link", 0).code(), base::Errc::kFixInput);
}

}  // namespace
}  // namespace logtail::agent
