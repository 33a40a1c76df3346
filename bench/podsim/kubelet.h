#pragma once
// The kubelet's part: rotates container logs, compresses the rotated ones, removes what is over.
//
// Flow: SimWorld tracks containers here; the kubelet thread renames their files beneath them and
// asks them to reopen. Order as in the kubelet's containerLogManager: remove the excess, compress
// all rotated files, rename the current one, reopen; so the newest rotated file stays uncompressed.
// Owned by SimWorld; its own thread. A failure is kept and ends the run.

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "bench/podsim/container.h"

namespace logtail::bench {

class SimKubelet {
 public:
  explicit SimKubelet(const PodsimOptions& options);  // must outlive it; starts the thread
  ~SimKubelet();                                      // stop()

  void track(std::shared_ptr<SimContainer> container);
  void untrack(const std::shared_ptr<SimContainer>& container);
  // Removes, after `delay`, the symlink, the logs of that container instance, and the pod's
  // directory when asked to.
  void removeLater(const SimContainer& container, std::chrono::milliseconds delay, bool wholePod);
  // Finishes what is due to be removed, whatever its delay, and ends the thread.
  base::Status stop();
  base::Status failure();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Rotation {
    std::shared_ptr<SimContainer> container;
    Time since;
    std::string lastSuffix;
  };
  struct Removal {
    Time at;
    std::string link;
    std::string logPath;
    std::string podDirectory;  // empty: the container's logs only
  };

  void run();
  base::Status pass();
  bool due(const Rotation& rotation, Time now) const;
  base::Status rotate(Rotation& rotation);
  base::Status removeDue(bool all);

  const PodsimOptions& options_;
  std::mutex mutex_;  // below it: everything here
  std::condition_variable wake_;
  std::map<const SimContainer*, Rotation> rotations_;
  std::vector<Removal> removals_;
  bool stopping_ = false;
  base::Status failure_;
  std::mutex passMutex_;  // held while files are touched, so that untrack() waits for a rotation
  std::thread thread_;
};

}  // namespace logtail::bench
