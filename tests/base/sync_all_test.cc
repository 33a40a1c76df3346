// Many files synced at once by the machine's own file system.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/file_system.h"

namespace logtail::base {
namespace {

// A file of which only the sync matters.
class SyncedFile : public File {
 public:
  explicit SyncedFile(std::function<Status()> sync) : sync_(std::move(sync)) {}
  Result<size_t> readAt(uint64_t, std::span<char>) override { return size_t{0}; }
  Status writeAt(uint64_t, std::span<const std::string_view>) override { return {}; }
  Status syncData() override { return sync_(); }
  Status truncate(uint64_t) override { return {}; }
  Status allocate(uint64_t) override { return {}; }
  Result<FileInfo> info() override { return FileInfo{}; }

 private:
  std::function<Status()> sync_;
};

class SyncAll : public ::testing::Test {
 protected:
  void add(std::function<Status()> sync) {
    owned_.push_back(std::make_unique<SyncedFile>(std::move(sync)));
    files_.push_back(owned_.back().get());
  }
  std::vector<Status> run() { return posixFileSystem().syncAll(files_); }

 private:
  std::vector<std::unique_ptr<File>> owned_;
  std::vector<File*> files_;
};

TEST_F(SyncAll, OfNothingAnswersNothing) {
  EXPECT_TRUE(run().empty());
}

TEST_F(SyncAll, SyncsEachOnceAndAnswersInTheOrderOfTheFiles) {
  constexpr size_t kFiles = 500;
  std::vector<std::atomic<int>> syncs(kFiles);
  for (size_t i = 0; i < kFiles; ++i) {
    add([&syncs, i]() -> Status {
      ++syncs[i];
      if (i % 7 == 3) return {Errc::kStop, std::to_string(i)};
      return {};
    });
  }
  const std::vector<Status> answers = run();
  ASSERT_EQ(answers.size(), kFiles);
  for (size_t i = 0; i < kFiles; ++i) {
    EXPECT_EQ(syncs[i], 1);
    EXPECT_EQ(answers[i].ok() ? "" : answers[i].message(), i % 7 == 3 ? std::to_string(i) : "");
  }
}

TEST_F(SyncAll, SyncsManyAtOnce) {
  constexpr size_t kTogether = 8;
  std::mutex mutex;
  std::condition_variable changed;
  size_t inside = 0;
  bool met = false;
  bool gaveUp = false;
  for (size_t i = 0; i < 200; ++i) {
    add([&]() -> Status {
      std::unique_lock lock(mutex);
      met = met || ++inside == kTogether;
      changed.notify_all();
      // Nobody goes before they met; the limit only ends a run that failed.
      const auto go = [&] { return met || gaveUp; };
      if (!changed.wait_for(lock, std::chrono::seconds(20), go)) gaveUp = true;
      --inside;
      return {};
    });
  }
  run();
  EXPECT_TRUE(met);
}

}  // namespace
}  // namespace logtail::base
