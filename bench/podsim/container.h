#pragma once
// One container instance: composes its lines and writes its log file as containerd's CRI logger
// does.
//
// Flow: SimWorld (writer thread) -> SimContainer -> ROOT/pods/<ns>_<pod>_<uid>/<container>/<n>.log
// Owned by SimWorld and, while it may be rotated, by SimKubelet. Thread: writer thread, except what
// says "kubelet". Failure: an error of the file system ends the run, nothing is skipped.

#include <array>
#include <atomic>
#include <memory>
#include <random>
#include <string>

#include "bench/podsim/line.h"
#include "bench/podsim/manifest.h"
#include "bench/podsim/options.h"
#include "common/base/clock.h"
#include "common/base/result.h"

namespace logtail::bench {

struct ContainerIdentity {
  std::string namespaceName;
  std::string pod;
  std::string podUid;
  std::string container;
  std::string containerId;  // 64 hexadecimal digits
  uint32_t restart = 0;
};

std::string podDirectory(const std::string& root, const ContainerIdentity& identity);

class SimContainer {
 public:
  // Creates the directories, the log file and the symlink; goes on with them where they are.
  // `options` must outlive it.
  static base::Result<std::shared_ptr<SimContainer>> create(const PodsimOptions& options,
                                                            ContainerIdentity identity,
                                                            uint64_t seed);
  ~SimContainer();
  SimContainer(const SimContainer&) = delete;
  SimContainer& operator=(const SimContainer&) = delete;

  // Sequences go on behind those of an earlier run.
  void resume(const StreamCount& earlier);
  // Writes about `lines` more, in one write() ending on a whole physical line, then follows a
  // rotation that was asked for. Returns how many lines were begun.
  base::Result<uint64_t> emit(uint64_t lines);
  // Begins one stdout line of so many bytes; emit() writes it part by part.
  void beginLongLine(uint64_t bytes);
  // Writes the final parts of open lines and closes the file.
  base::Status finish(bool alive);

  const ContainerIdentity& identity() const { return identity_; }
  const std::string& logPath() const { return logPath_; }
  const std::string& linkPath() const { return linkPath_; }
  const StreamCount& count(size_t channel) const { return counts_[channel]; }

  // Kubelet: size of the current file; ask for a new one after the rename of the old.
  uint64_t fileBytes() const { return fileBytes_.load(std::memory_order_relaxed); }
  void requestReopen() { reopen_.store(true, std::memory_order_release); }
  bool reopenPending() const { return reopen_.load(std::memory_order_acquire); }

 private:
  SimContainer(const PodsimOptions& options, ContainerIdentity identity, uint64_t seed);

  base::Status openFile();
  base::Status link();
  base::Status flush();
  uint64_t below(uint64_t n) { return n == 0 ? 0 : random_() % n; }
  bool chance(double p) { return static_cast<double>(random_() >> 11) * 0x1p-53 < p; }
  void step();
  void beginLine(size_t channel);
  void compose(size_t channel, LineShape shape, uint64_t bytes);
  void writeParts(size_t channel, uint64_t limit);
  void appendPhysical(size_t channel, bool partial, std::string_view message);
  void appendTime(int64_t nanos);

  const PodsimOptions& options_;
  const ContainerIdentity identity_;
  const std::string logPath_;
  const std::string linkPath_;
  std::mt19937_64 random_;
  int fd_ = -1;
  std::array<StreamCount, 2> counts_;
  std::array<std::string, 2> open_;       // the line a channel is inside of
  std::array<size_t, 2> openAt_{};        // how much of it is written
  std::array<uint32_t, 2> framesLeft_{};  // of a stack trace
  uint64_t begun_ = 0;
  std::string batch_;
  int64_t stampSecond_ = -1;
  char stamp_[20] = {};  // "YYYY-MM-DDTHH:MM:SS" of stampSecond_
  std::atomic<uint64_t> fileBytes_{0};
  std::atomic<bool> reopen_{false};
};

}  // namespace logtail::bench
