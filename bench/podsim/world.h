#pragma once
// The simulated node: creates pods, spreads lines over their containers, restarts and ends them.
//
// Flow: main -> SimWorld::run() -> SimContainer files; SimKubelet rotates and removes beside it.
// Thread: run() is the writer thread; it waits in sigtimedwait, so SIGTERM, SIGINT and SIGHUP must
// be blocked in all threads. Failure: the first error ends the run; the manifest is written all the
// same.

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "bench/podsim/container.h"
#include "bench/podsim/kubelet.h"
#include "bench/podsim/manifest.h"
#include "bench/podsim/options.h"

namespace logtail::bench {

struct PodsimSummary {
  uint64_t lines = 0;
  uint64_t streams = 0;
  double seconds = 0;
};

class SimWorld {
 public:
  explicit SimWorld(const PodsimOptions& options);  // must outlive it

  // Until the duration or the lines are reached, or a signal asks to stop; then finishes open
  // lines, removes what was to be removed, and writes the manifest.
  base::Result<PodsimSummary> run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Live {
    std::shared_ptr<SimContainer> container;
    double owed = 0;  // lines not yet written of its share of the rate
    Time restartAt;
    std::shared_ptr<SimContainer> previous;  // the instance before: its logs stay for one restart
  };
  struct ShortPod {
    std::shared_ptr<SimContainer> container;
    Time endsAt;
  };

  base::Status setUp();
  base::Status createPods(uint32_t count);
  base::Status resumePods();
  base::Status loop();
  base::Status tick(Time now, double seconds);
  base::Status restart(Live& live, Time now);
  base::Status runShortPods(Time now);
  base::Status startShortPod(Time now);
  base::Status tearDown();
  ContainerIdentity newPod();
  std::string digits(size_t count, std::string_view alphabet);
  uint64_t linesFor(Live& live, double seconds);
  bool waitForSignal(std::chrono::nanoseconds time) const;
  bool finished(Time now) const;
  void keepCounts(const SimContainer& container);

  const PodsimOptions& options_;
  std::mt19937_64 random_;
  std::unique_ptr<SimKubelet> kubelet_;
  std::vector<Live> live_;
  std::vector<ShortPod> shortPods_;
  uint32_t shortPodsStarted_ = 0;
  std::vector<StreamCount> ended_;  // of this run and of earlier ones
  Time startedAt_;
  uint64_t lines_ = 0;
};

}  // namespace logtail::bench
