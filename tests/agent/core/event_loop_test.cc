#include "agent/event_loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace logtail::agent {
namespace {

TEST(EventLoop, RunsNothingBehindTheClosingTaskWhoeverPostsMeanwhile) {
  std::atomic<unsigned> late{0};
  for (int round = 0; round < 300; ++round) {
    EventLoop loop;
    bool closed = false;  // the loop's thread only
    ASSERT_TRUE(loop.start([] {}).ok());
    std::atomic<bool> over{false};
    std::thread other([&] {
      while (!over) {
        loop.post([&] { late += closed ? 1 : 0; });
      }
    });
    loop.stop([&] { closed = true; });
    over = true;
    other.join();
  }
  EXPECT_EQ(late.load(), 0u);
}

}  // namespace
}  // namespace logtail::agent
