#include "common/base/directory_lock.h"

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace logtail::base {
namespace {

TEST(DirectoryLock, KeepsASecondHolderOutUntilTheFirstLetsGo) {
  test::TempDir dir;
  const std::string path = dir / "state";
  {
    const auto first = DirectoryLock::acquire(path);
    ASSERT_TRUE(first.ok()) << first.message();
    const auto second = DirectoryLock::acquire(path);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.code(), Errc::kFixInput);
    EXPECT_NE(second.message().find(path), std::string::npos);
  }
  EXPECT_TRUE(DirectoryLock::acquire(path).ok());
}

TEST(DirectoryLock, SaysWhichDirectoryItCannotUse) {
  const auto lock = DirectoryLock::acquire("/proc/self/none");
  ASSERT_FALSE(lock.ok());
  EXPECT_NE(lock.message().find("/proc/self/none"), std::string::npos);
}

}  // namespace
}  // namespace logtail::base
