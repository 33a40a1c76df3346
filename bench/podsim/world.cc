#include "bench/podsim/world.h"

#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>
#include <map>
#include <tuple>

namespace logtail::bench {

using base::Errc;
using base::Result;
using base::Status;
using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kTick{10};
constexpr milliseconds kShortLife{100};
constexpr milliseconds kDirectoryStays{1000};
constexpr uint64_t kShortPodLines = 20;
constexpr uint64_t kIdleLines = 5;
constexpr uint64_t kFullSpeedLines = 512;  // a container's turn when there is no rate
constexpr double kShortPodsASecond = 20;   // without a duration to spread them over

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kPodLetters = "bcdfghjklmnpqrstvwxz2456789";  // Kubernetes' safe ones
constexpr const char* kApps[] = {"api", "checkout", "payments", "search", "web", "worker", "auth"};
constexpr const char* kContainers[] = {"app", "proxy", "metrics"};

std::string containerName(uint32_t index) {
  if (index < std::size(kContainers)) return kContainers[index];
  return "side-" + std::to_string(index);
}

}  // namespace

SimWorld::SimWorld(const PodsimOptions& options) : options_(options), random_(options.seed) {}

Result<PodsimSummary> SimWorld::run() {
  if (auto ready = setUp(); !ready.ok()) return ready.error();
  startedAt_ = steady_clock::now();
  const Status looped = loop();
  const Status torn = tearDown();
  if (!looped.ok()) return looped.error();
  if (!torn.ok()) return torn.error();
  PodsimSummary summary;
  summary.lines = lines_;
  summary.streams = ended_.size();
  summary.seconds = duration<double>(steady_clock::now() - startedAt_).count();
  return summary;
}

Status SimWorld::setUp() {
  std::error_code failed;
  for (const char* name : {"/pods", "/containers"}) {
    std::filesystem::create_directories(options_.root + name, failed);
    if (failed) return {Errc::kFixInput, options_.root + name + ": " + failed.message()};
  }
  auto earlier = readManifest(options_.root);
  if (!earlier.ok() && earlier.code() != Errc::kNotFound) return earlier.error();
  if (earlier.ok()) ended_ = std::move(*earlier);
  kubelet_ = std::make_unique<SimKubelet>(options_);
  if (options_.resume) LOGTAIL_TRY(resumePods());
  const auto resumed = static_cast<uint32_t>(live_.size() / options_.containers);
  if (resumed < options_.pods) LOGTAIL_TRY(createPods(options_.pods - resumed));
  if (options_.longLine > 0 && !live_.empty()) {
    live_.front().container->beginLongLine(options_.longLine);
    ++lines_;
  }
  return {};
}

std::string SimWorld::digits(size_t count, std::string_view alphabet) {
  std::string text(count, '\0');
  for (char& digit : text) digit = alphabet[random_() % alphabet.size()];
  return text;
}

ContainerIdentity SimWorld::newPod() {
  ContainerIdentity identity;
  do {
    identity.namespaceName = "ns-" + std::to_string(random_() % options_.namespaces);
    identity.pod = std::string(kApps[random_() % std::size(kApps)]) + "-" + digits(9, kPodLetters) +
                   "-" + digits(5, kPodLetters);
    identity.podUid = digits(8, kHex) + "-" + digits(4, kHex) + "-4" + digits(3, kHex) + "-a" +
                      digits(3, kHex) + "-" + digits(12, kHex);
    // An earlier run with this seed made the same names: take the next ones.
  } while (
      std::any_of(ended_.begin(), ended_.end(),
                  [&](const StreamCount& stream) { return stream.podUid == identity.podUid; }) ||
      std::filesystem::exists(podDirectory(options_.root, identity)));
  return identity;
}

Status SimWorld::createPods(uint32_t count) {
  for (uint32_t pod = 0; pod < count; ++pod) {
    const ContainerIdentity identity = newPod();
    for (uint32_t i = 0; i < options_.containers; ++i) {
      ContainerIdentity one = identity;
      one.container = containerName(i);
      one.containerId = digits(64, kHex);
      auto container = SimContainer::create(options_, std::move(one), random_());
      if (!container.ok()) return container.error();
      kubelet_->track(*container);
      // Restarts are spread over the interval, and so are writes over the ticks.
      const double share = static_cast<double>(random_() >> 11) * 0x1p-53;
      const auto first = nanoseconds(
          static_cast<int64_t>(static_cast<double>(options_.restartEvery.count()) * (0.5 + share)));
      live_.push_back({std::move(*container), share, steady_clock::now() + first, nullptr});
    }
  }
  return {};
}

Status SimWorld::resumePods() {
  std::map<std::tuple<std::string, std::string, uint32_t>, std::shared_ptr<SimContainer>> resumed;
  std::vector<StreamCount> rest;
  for (StreamCount& stream : ended_) {
    if (!stream.alive) {
      rest.push_back(std::move(stream));
      continue;
    }
    auto& container = resumed[{stream.podUid, stream.container, stream.restart}];
    if (container == nullptr) {
      ContainerIdentity identity{stream.namespaceName, stream.pod,         stream.podUid,
                                 stream.container,     stream.containerId, stream.restart};
      auto created = SimContainer::create(options_, std::move(identity), random_());
      if (!created.ok()) return created.error();
      container = std::move(*created);
    }
    container->resume(stream);
  }
  ended_ = std::move(rest);
  for (auto& [key, container] : resumed) {
    kubelet_->track(container);
    live_.push_back({container, 0, steady_clock::now() + options_.restartEvery, nullptr});
  }
  return {};
}

bool SimWorld::waitForSignal(nanoseconds time) const {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t nanos = std::max<int64_t>(time.count(), 0);
  const timespec timeout{nanos / kSecond, nanos % kSecond};
  return ::sigtimedwait(&signals, nullptr, &timeout) > 0;
}

// On a machine too slow for it, the run lasts until all short-lived pods were there.
bool SimWorld::finished(Time now) const {
  if (options_.duration.count() > 0 && now - startedAt_ >= options_.duration) {
    return shortPodsStarted_ >= options_.shortLived || options_.idle;
  }
  return options_.lines > 0 && lines_ >= options_.lines;
}

Status SimWorld::loop() {
  if (options_.idle) {
    for (Live& live : live_) {
      auto wrote = live.container->emit(kIdleLines);
      if (!wrote.ok()) return wrote.error();
      lines_ += *wrote;
    }
    while (!finished(steady_clock::now())) {
      const auto left = startedAt_ + options_.duration - steady_clock::now();
      if (waitForSignal(options_.duration.count() > 0 ? left : std::chrono::hours(1))) return {};
    }
    return {};
  }
  Time last = startedAt_;
  for (;;) {
    const Time now = steady_clock::now();
    if (finished(now)) return {};
    LOGTAIL_TRY(tick(now, duration<double>(now - last).count()));
    last = now;
    const bool atFullSpeed = options_.rate <= 0;
    if (waitForSignal(atFullSpeed ? nanoseconds(0) : now + kTick - steady_clock::now())) return {};
  }
}

uint64_t SimWorld::linesFor(Live& live, double seconds) {
  const uint64_t left = options_.lines == 0       ? UINT64_MAX
                        : options_.lines > lines_ ? options_.lines - lines_
                                                  : 0;
  if (options_.rate <= 0) return std::min(kFullSpeedLines, left);
  live.owed += options_.rate * seconds / static_cast<double>(live_.size());
  const auto lines = std::min(static_cast<uint64_t>(live.owed), left);
  live.owed -= static_cast<double>(lines);
  return lines;
}

Status SimWorld::tick(Time now, double seconds) {
  for (Live& live : live_) {
    if (options_.restartEvery.count() > 0 && now >= live.restartAt) LOGTAIL_TRY(restart(live, now));
    auto wrote = live.container->emit(linesFor(live, seconds));
    if (!wrote.ok()) return wrote.error();
    lines_ += *wrote;
  }
  LOGTAIL_TRY(runShortPods(now));
  return kubelet_->failure();
}

// The next instance of a container: the kubelet keeps the logs of one dead instance and removes
// those of the one before.
Status SimWorld::restart(Live& live, Time now) {
  kubelet_->untrack(live.container);
  LOGTAIL_TRY(live.container->finish(false));
  keepCounts(*live.container);
  if (live.previous != nullptr) kubelet_->removeLater(*live.previous, kDirectoryStays, false);
  ContainerIdentity next = live.container->identity();
  next.containerId = digits(64, kHex);
  ++next.restart;
  auto container = SimContainer::create(options_, std::move(next), random_());
  if (!container.ok()) return container.error();
  live.previous = std::move(live.container);
  live.container = std::move(*container);
  live.restartAt = now + options_.restartEvery;
  kubelet_->track(live.container);
  return {};
}

Status SimWorld::runShortPods(Time now) {
  for (ShortPod& pod : shortPods_) {
    if (now < pod.endsAt) continue;
    auto wrote = pod.container->emit(kShortPodLines / 2);
    if (!wrote.ok()) return wrote.error();
    lines_ += *wrote;
    LOGTAIL_TRY(pod.container->finish(false));
    keepCounts(*pod.container);
    kubelet_->removeLater(*pod.container, kDirectoryStays, true);
    pod.container.reset();
  }
  std::erase_if(shortPods_, [](const ShortPod& pod) { return pod.container == nullptr; });
  const double elapsed = duration<double>(now - startedAt_).count();
  const double whole = duration<double>(options_.duration - kShortLife - kTick).count();
  const double started = whole > 0 ? options_.shortLived * std::min(1.0, elapsed / whole + 0.01)
                                   : elapsed * kShortPodsASecond;
  const auto due =
      std::min<uint64_t>(static_cast<uint64_t>(std::ceil(started)), options_.shortLived);
  while (shortPodsStarted_ < due) LOGTAIL_TRY(startShortPod(now));
  return {};
}

Status SimWorld::startShortPod(Time now) {
  ContainerIdentity identity = newPod();
  identity.container = containerName(0);
  identity.containerId = digits(64, kHex);
  auto container = SimContainer::create(options_, std::move(identity), random_());
  if (!container.ok()) return container.error();
  auto wrote = (*container)->emit(kShortPodLines / 2);
  if (!wrote.ok()) return wrote.error();
  lines_ += *wrote;
  shortPods_.push_back({std::move(*container), now + kShortLife});
  ++shortPodsStarted_;
  return {};
}

void SimWorld::keepCounts(const SimContainer& container) {
  for (size_t channel = 0; channel < 2; ++channel) {
    const StreamCount& count = container.count(channel);
    // One that lives is told even without lines, for --resume.
    if (count.lines > 0 || (count.alive && channel == 0)) ended_.push_back(count);
  }
}

Status SimWorld::tearDown() {
  Status first;
  const auto keep = [&first](Status status) {
    if (first.ok() && !status.ok()) first = std::move(status);
  };
  for (ShortPod& pod : shortPods_) {
    keep(pod.container->finish(false));
    keepCounts(*pod.container);
    kubelet_->removeLater(*pod.container, kDirectoryStays, true);
  }
  for (Live& live : live_) {
    kubelet_->untrack(live.container);
    keep(live.container->finish(true));
    keepCounts(*live.container);
  }
  keep(writeManifest(options_.root, ended_));
  if (!shortPods_.empty()) (void)waitForSignal(kDirectoryStays);
  keep(kubelet_->stop());
  return first;
}

}  // namespace logtail::bench
