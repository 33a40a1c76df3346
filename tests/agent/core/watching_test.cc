// Noticing what changes when the kernel gives no watches, drops events, or pods come and go at
// once.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "tests/agent/core/node_fixture.h"

namespace logtail::agent {
namespace {

namespace fs = std::filesystem;
using test::cri;
using test::Messages;

class Watching : public test::NodeFixture {
 protected:
  Watching() { options_.watching.scanInterval = std::chrono::milliseconds(10); }

  void expectEverythingIsNoticed() {
    createPod("a");
    append(log("a"), cri("one"));
    start();
    ASSERT_TRUE(sink_.waitForCount("a", 1));
    append(log("a"), cri("two"));
    ASSERT_TRUE(sink_.waitForCount("a", 2));
    rotate("a");
    append(log("a"), cri("three"));
    ASSERT_TRUE(sink_.waitForCount("a", 3));
    for (int i = 0; i < 5; ++i) {
      const std::string pod = "later" + std::to_string(i);
      createPod(pod);
      append(log(pod), cri("four"));
    }
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(sink_.waitForCount("later" + std::to_string(i), 1));
    removePod("a");
    ASSERT_TRUE(waitForEnd("a"));
    EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
    EXPECT_TRUE(eventually([&] { return worker_->counts().scannedDirectories.load() > 0; }));
  }
};

TEST_F(Watching, WithoutAnInotifyInstanceDirectoriesAreScanned) {
  options_.watching.scanOnly = true;
  testing::internal::CaptureStderr();
  expectEverythingIsNoticed();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("fs.inotify.max_user_instances"),
            std::string::npos);
}

TEST_F(Watching, WithoutEnoughWatchesTheRestIsScanned) {
  options_.watching.maxWatches = 2;
  testing::internal::CaptureStderr();
  expectEverythingIsNoticed();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("fs.inotify.max_user_watches"),
            std::string::npos);
}

TEST_F(Watching, AfterAnOverflowEverythingIsLookedAt) {
  createPod("a");
  createPod("b");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  // The worker stands still while more events come than the kernel keeps.
  std::promise<void> entered, leave;
  worker_->collectStats([&](auto) {
    entered.set_value();
    leave.get_future().wait();
  });
  entered.get_future().wait();
  const int a = ::open(log("a").c_str(), O_WRONLY | O_APPEND);
  const int b = ::open(log("b").c_str(), O_WRONLY | O_APPEND);
  for (int i = 0; i < 20'000; ++i) {  // in turn: equal events in a row would be one
    ASSERT_EQ(::write(i % 2 == 0 ? a : b, "\n", 1), 1);
  }
  ::close(a);
  ::close(b);
  rotate("a");
  append(log("a"), cri("two"));
  createPod("c");
  append(log("c"), cri("three"));
  leave.set_value();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  ASSERT_TRUE(sink_.waitForCount("c", 1));
  EXPECT_GE(worker_->counts().overflows.load(), 1u);
  EXPECT_TRUE(eventually([&] { return worker_->counts().dropBytes.load() == 20'000; }));
}

// A file is opened as soon as its link is there: from then on nothing can take it away.
TEST_F(Watching, AThousandPodsThatGoAtOnceAreReadToTheirEnd) {
  constexpr int kPods = 1000;
  constexpr int kTogether = 50;
  start();
  const auto name = [](int i) { return "p" + std::to_string(i); };
  for (int first = 0; first < kPods; first += kTogether) {
    for (int i = first; i < first + kTogether; ++i) {
      createPod(name(i));
      append(log(name(i)), cri("one"));
    }
    ASSERT_TRUE(sink_.waitFor(
        [&](const auto& books) { return books.size() >= static_cast<size_t>(first + kTogether); }));
    for (int i = first; i < first + kTogether; ++i) {
      append(log(name(i)), cri("two") + "three, without an end");
      removePod(name(i));
    }
  }
  ASSERT_TRUE(sink_.waitFor([](const auto& books) {
    for (const auto& [key, book] : books) {
      if (!book.ended) return false;
    }
    return books.size() == kPods;
  }));
  for (int i = 0; i < kPods; ++i) {
    ASSERT_EQ(sink_.messages(name(i)), (Messages{"one", "two", "three, without an end"})) << i;
  }
  EXPECT_EQ(worker_->counts().lostBytes.load(), 0u);
}

}  // namespace
}  // namespace logtail::agent
