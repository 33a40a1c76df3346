#include "agent/reconnect_plan.h"

#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"

namespace logtail::agent {
namespace {

using namespace std::chrono_literals;
using Kind = Outcome::Kind;

class Reconnecting : public testing::Test {
 protected:
  Reconnecting() { plan_.start(3); }

  // Jitter leaves at least half of a wait.
  void expectWait(base::Nanos wait, base::Nanos most) {
    EXPECT_GE(wait, most / 2);
    EXPECT_LE(wait, most);
  }
  base::Nanos fail() { return plan_.down(Kind::kBackOff, false, 0); }

  test::FakeClock clock_;
  ReconnectPlan plan_{100ms, 10s, clock_};
};

TEST_F(Reconnecting, WaitsTwiceAsLongEachTimeUpToTheMost) {
  clock_.advance(1h);  // of outage: its half limits nothing
  for (const base::Nanos most : {100ms, 200ms, 400ms, 800ms, 1600ms, 3200ms, 6400ms, 10'000ms}) {
    expectWait(fail(), most);
  }
  for (int i = 0; i < 100; ++i) expectWait(fail(), 10s);
}

TEST_F(Reconnecting, WaitsNoLongerThanHalfTheOutageSoFar) {
  for (int i = 0; i < 10; ++i) expectWait(fail(), 100ms);
  clock_.advance(4s);
  expectWait(fail(), 2s);
}

TEST_F(Reconnecting, TriesTheAddressesInTurnAndStaysWithOneThatAccepts) {
  EXPECT_EQ(plan_.address(), 0u);
  fail();
  EXPECT_EQ(plan_.address(), 1u);
  plan_.up(0);
  plan_.down(Kind::kBackOff, true, 0);
  EXPECT_EQ(plan_.address(), 1u);
  fail();
  fail();
  EXPECT_EQ(plan_.address(), 0u);
}

TEST_F(Reconnecting, BeginsAnewAfterAConnectionThatAcknowledgedOrLasted) {
  for (const bool acknowledged : {true, false}) {
    clock_.advance(1h);
    for (int i = 0; i < 10; ++i) fail();
    plan_.up(7);
    if (!acknowledged) clock_.advance(1s);
    expectWait(plan_.down(Kind::kBackOff, true, acknowledged ? 8 : 7), 100ms);
  }
  clock_.advance(1h);
  for (int i = 0; i < 10; ++i) fail();
  plan_.up(7);
  expectWait(plan_.down(Kind::kBackOff, true, 7), 10s);
}

TEST_F(Reconnecting, ComesBackAtOnceWhenAskedToAndAfterTheMostWhenRefused) {
  EXPECT_EQ(plan_.down(Kind::kReconnect, true, 0), 0ns);
  expectWait(plan_.down(Kind::kRefused, false, 0), 10s);
}

}  // namespace
}  // namespace logtail::agent
