// podsim: writes container logs as containerd and the kubelet do, with lines that podcheck can
// check.

#include <signal.h>

#include <cstdio>
#include <filesystem>

#include "bench/podsim/options.h"
#include "bench/podsim/world.h"

int main(int argc, char** argv) {
  using logtail::bench::parsePodsimOptions;
  using logtail::bench::SimWorld;
  auto options = parsePodsimOptions(argc, argv);
  if (!options.ok()) {
    if (options.message().empty()) return 0;
    std::fprintf(stderr, "podsim: %s\n", options.message().c_str());
    return 2;
  }
  std::error_code failed;
  std::filesystem::create_directories(options->root, failed);
  const std::filesystem::path root = std::filesystem::canonical(options->root, failed);
  if (failed) {
    std::fprintf(stderr, "podsim: --root %s: %s\n", options->root.c_str(),
                 failed.message().c_str());
    return 2;
  }
  options->root = root.string();
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  SimWorld world(*options);
  auto summary = world.run();
  if (!summary.ok()) {
    std::fprintf(stderr, "podsim: %s\n", summary.message().c_str());
    return 1;
  }
  std::printf("podsim: %llu lines in %.1f s, %llu streams in %s/podsim.manifest\n",
              static_cast<unsigned long long>(summary->lines), summary->seconds,
              static_cast<unsigned long long>(summary->streams), options->root.c_str());
  return 0;
}
