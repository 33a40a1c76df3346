#include "bench/podsim/kubelet.h"

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "bench/podsim/rotate_log.h"

namespace logtail::bench {

using base::Status;
namespace fs = std::filesystem;

namespace {

constexpr std::chrono::milliseconds kInterval{50};
constexpr std::chrono::milliseconds kIdleInterval{2000};

std::string suffixNow() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[16];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &utc);
  return text;
}

}  // namespace

SimKubelet::SimKubelet(const PodsimOptions& options)
    : options_(options), thread_([this] { run(); }) {}

SimKubelet::~SimKubelet() {
  (void)stop();
}

void SimKubelet::track(std::shared_ptr<SimContainer> container) {
  const std::lock_guard lock(mutex_);
  const SimContainer* key = container.get();
  rotations_[key] = {std::move(container), std::chrono::steady_clock::now(), ""};
}

void SimKubelet::untrack(const std::shared_ptr<SimContainer>& container) {
  const std::lock_guard pass(passMutex_);
  const std::lock_guard lock(mutex_);
  rotations_.erase(container.get());
}

void SimKubelet::removeLater(const SimContainer& container, std::chrono::milliseconds delay,
                             bool wholePod) {
  const std::lock_guard lock(mutex_);
  removals_.push_back({std::chrono::steady_clock::now() + delay, container.linkPath(),
                       container.logPath(),
                       wholePod ? podDirectory(options_.root, container.identity()) : ""});
}

Status SimKubelet::failure() {
  const std::lock_guard lock(mutex_);
  return failure_;
}

Status SimKubelet::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  LOGTAIL_TRY(removeDue(true));
  return failure();
}

void SimKubelet::run() {
  const auto interval = options_.idle ? kIdleInterval : kInterval;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, interval, [this] { return stopping_; });
    if (stopping_ || !failure_.ok()) continue;
    lock.unlock();
    Status passed = pass();
    lock.lock();
    if (!passed.ok()) failure_ = std::move(passed);
  }
}

Status SimKubelet::pass() {
  const std::lock_guard pass(passMutex_);
  std::vector<Rotation> due;
  {
    const std::lock_guard lock(mutex_);
    const Time now = std::chrono::steady_clock::now();
    for (const auto& [key, rotation] : rotations_) {
      if (this->due(rotation, now)) due.push_back(rotation);
    }
  }
  for (Rotation& rotation : due) {
    LOGTAIL_TRY(rotate(rotation));
    const std::lock_guard lock(mutex_);
    rotations_[rotation.container.get()] = rotation;
  }
  return removeDue(false);
}

bool SimKubelet::due(const Rotation& rotation, Time now) const {
  const SimContainer& container = *rotation.container;
  if (container.reopenPending() || container.fileBytes() == 0) return false;
  if (container.fileBytes() >= options_.rotateBytes) return true;
  return options_.rotateEvery.count() > 0 && now - rotation.since >= options_.rotateEvery;
}

Status SimKubelet::rotate(Rotation& rotation) {
  // The suffix has seconds: the second rotation of one second waits for the next.
  const std::string suffix = suffixNow();
  if (suffix == rotation.lastSuffix) return {};
  LOGTAIL_TRY(rotateLog(rotation.container->logPath(), suffix, options_.keep, options_.gzip));
  rotation.lastSuffix = suffix;
  rotation.since = std::chrono::steady_clock::now();
  rotation.container->requestReopen();
  return {};
}

Status SimKubelet::removeDue(bool all) {
  std::vector<Removal> due;
  {
    const std::lock_guard lock(mutex_);
    const Time now = std::chrono::steady_clock::now();
    const auto later =
        std::stable_partition(removals_.begin(), removals_.end(),
                              [&](const Removal& removal) { return all || removal.at <= now; });
    due.assign(std::make_move_iterator(removals_.begin()), std::make_move_iterator(later));
    removals_.erase(removals_.begin(), later);
  }
  for (const Removal& removal : due) {
    std::error_code failed;
    fs::remove(removal.link, failed);
    if (!removal.podDirectory.empty()) {
      fs::remove_all(removal.podDirectory, failed);
      continue;
    }
    auto rotated = rotatedFiles(removal.logPath);
    if (!rotated.ok()) continue;  // the pod's directory went first
    for (const std::string& path : *rotated) fs::remove(path, failed);
    fs::remove(removal.logPath, failed);
  }
  return {};
}

}  // namespace logtail::bench
