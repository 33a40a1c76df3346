#include "common/metrics/registry.h"

#include <gtest/gtest.h>

#include <barrier>
#include <thread>

namespace logtail::metrics {
namespace {

// The lines of one name, without the registry's own.
std::string linesOf(const Registry& registry, const std::string& name) {
  std::string out;
  std::string text = registry.render();
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    if (line.find(name) != std::string::npos) out += line + "\n";
    at = end + 1;
  }
  return out;
}

TEST(Registry, RendersCountersAndGaugesWithHelpTypeAndSortedLabels) {
  Registry registry;
  registry.counter("logtail_lines_total", "Lines read.", {{"stream", "stdout"}, {"pod", "b"}})
      .add(3);
  registry.counter("logtail_lines_total", "Lines read.", {{"stream", "stdout"}, {"pod", "a"}})
      .add();
  registry.gauge("logtail_open_files", "Open files.").set(-2.5);
  EXPECT_EQ(linesOf(registry, "logtail_lines_total"),
            "# HELP logtail_lines_total Lines read.\n"
            "# TYPE logtail_lines_total counter\n"
            "logtail_lines_total{pod=\"a\",stream=\"stdout\"} 1\n"
            "logtail_lines_total{pod=\"b\",stream=\"stdout\"} 3\n");
  EXPECT_EQ(linesOf(registry, "logtail_open_files"),
            "# HELP logtail_open_files Open files.\n"
            "# TYPE logtail_open_files gauge\n"
            "logtail_open_files -2.5\n");
}

TEST(Registry, CountsBeyondADoublesPrecisionAreExact) {
  Registry registry;
  registry.counter("logtail_bytes_total", "Bytes.").add((1ull << 53) + 1);
  EXPECT_NE(registry.render().find("logtail_bytes_total 9007199254740993\n"), std::string::npos);
}

TEST(Registry, HistogramsAreCumulativeWithBoundsIncluded) {
  Registry registry;
  Histogram& seconds =
      registry.histogram("logtail_sync_seconds", "Sync.", {0.5, 1, 2}, {{"disk", "a"}});
  for (const double value : {0.1, 0.5, 0.75, 3.0}) seconds.observe(value);
  EXPECT_EQ(linesOf(registry, "logtail_sync_seconds"),
            "# HELP logtail_sync_seconds Sync.\n"
            "# TYPE logtail_sync_seconds histogram\n"
            "logtail_sync_seconds_bucket{disk=\"a\",le=\"0.5\"} 2\n"
            "logtail_sync_seconds_bucket{disk=\"a\",le=\"1\"} 3\n"
            "logtail_sync_seconds_bucket{disk=\"a\",le=\"2\"} 3\n"
            "logtail_sync_seconds_bucket{disk=\"a\",le=\"+Inf\"} 4\n"
            "logtail_sync_seconds_sum{disk=\"a\"} 4.35\n"
            "logtail_sync_seconds_count{disk=\"a\"} 4\n");
  EXPECT_EQ(exponentialBounds(1, 4, 3), (std::vector<double>{1, 4, 16}));
}

TEST(Registry, LabelValuesAndHelpAreEscaped) {
  Registry registry;
  registry.gauge("logtail_x", "a \\ b \"c\"\nd", {{"path", "C:\\ \"q\"\nnext"}}).set(1);
  EXPECT_EQ(linesOf(registry, "logtail_x"),
            "# HELP logtail_x a \\\\ b \"c\"\\nd\n"
            "# TYPE logtail_x gauge\n"
            "logtail_x{path=\"C:\\\\ \\\"q\\\"\\nnext\"} 1\n");
}

TEST(Registry, TheSameNameAndLabelsGiveTheSameHandle) {
  Registry registry;
  Counter& first = registry.counter("logtail_a_total", "A.", {{"x", "1"}, {"y", "2"}});
  Counter& second = registry.counter("logtail_a_total", "A.", {{"y", "2"}, {"x", "1"}});
  EXPECT_EQ(&first, &second);
  EXPECT_NE(&first, &registry.counter("logtail_a_total", "A.", {{"x", "2"}, {"y", "1"}}));
}

TEST(Registry, UnboundedLabelsBecomeOtherAndAreCounted) {
  Registry registry;
  for (size_t i = 0; i < kMaxSeries + 7; ++i) {
    registry.counter("logtail_a_total", "A.", {{"id", std::to_string(i)}}).add();
  }
  const std::string text = registry.render();
  EXPECT_NE(text.find("logtail_a_total{id=\"other\"} 7\n"), std::string::npos);
  EXPECT_NE(text.find("logtail_metrics_series_refused_total 7\n"), std::string::npos);
}

TEST(Registry, CallbacksAreReadAtRenderAndGoWithTheirHandle) {
  Registry registry;
  double value = 5;
  {
    const auto gauge =
        registry.gaugeCallback("logtail_age_seconds", "Age.", {}, [&] { return value; });
    const auto total =
        registry.counterCallback("logtail_n_total", "N.", {{"k", "v"}}, [] { return 9; });
    value = 6;
    EXPECT_NE(registry.render().find("logtail_age_seconds 6\n"), std::string::npos);
    EXPECT_NE(registry.render().find("logtail_n_total{k=\"v\"} 9\n"), std::string::npos);
  }
  EXPECT_EQ(linesOf(registry, "logtail_age_seconds"), "");
  // The name is free again, for the next graph after a reload.
  auto moved = registry.gaugeCallback("logtail_age_seconds", "Age.", {}, [] { return 1; });
  const Registry::Callback kept = std::move(moved);
  EXPECT_NE(registry.render().find("logtail_age_seconds 1\n"), std::string::npos);
}

TEST(Registry, NumbersThatAreNotFiniteHaveTheFormatsNames) {
  Registry registry;
  registry.gauge("logtail_a", "A.").set(std::numeric_limits<double>::infinity());
  registry.gauge("logtail_b", "B.").set(std::numeric_limits<double>::quiet_NaN());
  EXPECT_NE(registry.render().find("logtail_a +Inf\n"), std::string::npos);
  EXPECT_NE(registry.render().find("logtail_b NaN\n"), std::string::npos);
}

TEST(Registry, NoIncrementIsLostAcrossThreadsWhileOthersRenderAndRegister) {
  constexpr int kThreads = 4;
  constexpr uint64_t kTimes = 20'000;
  Registry registry;
  std::barrier start(kThreads);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      start.arrive_and_wait();
      Counter& counter = registry.counter("logtail_a_total", "A.");
      Histogram& histogram = registry.histogram("logtail_h", "H.", {1});
      Gauge& gauge = registry.gauge("logtail_g", "G.", {{"t", std::to_string(i)}});
      for (uint64_t n = 0; n < kTimes; ++n) {
        counter.add();
        histogram.observe(1);
        gauge.add(1);
        if (n % 5000 == 0) registry.render();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(registry.counter("logtail_a_total", "A.").value(), kThreads * kTimes);
  EXPECT_EQ(registry.histogram("logtail_h", "H.", {1}).bucket(0), kThreads * kTimes);
  EXPECT_EQ(registry.histogram("logtail_h", "H.", {1}).sum(), kThreads * kTimes);
  EXPECT_EQ(registry.gauge("logtail_g", "G.", {{"t", "0"}}).value(), kTimes);
}

TEST(RegistryDeathTest, OneNameForTwoKindsStopsTheProcess) {
  EXPECT_DEATH(
      {
        Registry registry;
        registry.gauge("logtail_a", "A.");
        registry.histogram("logtail_a", "A.", {1});
      },
      "kind");
}

}  // namespace
}  // namespace logtail::metrics
