#include "bench/podsim/container.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "common/base/file_system.h"

namespace logtail::bench {

using base::Errc;
using base::errnoError;
using base::Result;
using base::Status;

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr uint64_t kPartsAStep = 64;  // of a line begun by beginLongLine, so that it ends some day
constexpr size_t kLongLine = 1024 * 1024;
constexpr size_t kFlushBytes = 4 * 1024 * 1024;
constexpr uint32_t kMaxFrames = 12;

std::string logPathOf(const std::string& root, const ContainerIdentity& identity) {
  return podDirectory(root, identity) + "/" + identity.container + "/" +
         std::to_string(identity.restart) + ".log";
}

std::string linkPathOf(const std::string& root, const ContainerIdentity& identity) {
  return root + "/containers/" + identity.pod + "_" + identity.namespaceName + "_" +
         identity.container + "-" + identity.containerId + ".log";
}

}  // namespace

std::string podDirectory(const std::string& root, const ContainerIdentity& identity) {
  return root + "/pods/" + identity.namespaceName + "_" + identity.pod + "_" + identity.podUid;
}

SimContainer::SimContainer(const PodsimOptions& options, ContainerIdentity identity, uint64_t seed)
    : options_(options),
      identity_(std::move(identity)),
      logPath_(logPathOf(options.root, identity_)),
      linkPath_(linkPathOf(options.root, identity_)),
      random_(seed) {
  for (size_t channel = 0; channel < counts_.size(); ++channel) {
    StreamCount& count = counts_[channel];
    count.namespaceName = identity_.namespaceName;
    count.pod = identity_.pod;
    count.podUid = identity_.podUid;
    count.container = identity_.container;
    count.containerId = identity_.containerId;
    count.restart = identity_.restart;
    count.channel = channel == 0 ? 'o' : 'e';
  }
}

SimContainer::~SimContainer() {
  if (fd_ >= 0) ::close(fd_);
}

Result<std::shared_ptr<SimContainer>> SimContainer::create(const PodsimOptions& options,
                                                           ContainerIdentity identity,
                                                           uint64_t seed) {
  std::shared_ptr<SimContainer> container(new SimContainer(options, std::move(identity), seed));
  std::error_code failed;
  std::filesystem::create_directories(base::directoryOf(container->logPath_), failed);
  if (failed) return base::Error{Errc::kStop, container->logPath_ + ": " + failed.message()};
  if (auto opened = container->openFile(); !opened.ok()) return opened.error();
  if (auto linked = container->link(); !linked.ok()) return linked.error();
  return container;
}

Status SimContainer::openFile() {
  const int fd = ::open(logPath_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (fd < 0) return errnoError(errno, "open " + logPath_);
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
  struct stat st {};
  if (::fstat(fd_, &st) != 0) return errnoError(errno, "stat " + logPath_);
  fileBytes_.store(static_cast<uint64_t>(st.st_size), std::memory_order_relaxed);
  return {};
}

Status SimContainer::link() {
  if (::symlink(logPath_.c_str(), linkPath_.c_str()) != 0 && errno != EEXIST) {
    return errnoError(errno, "symlink " + linkPath_);
  }
  return {};
}

void SimContainer::resume(const StreamCount& earlier) {
  counts_[earlier.channel == 'o' ? 0 : 1] = earlier;
}

void SimContainer::beginLongLine(uint64_t bytes) {
  compose(0, LineShape::kText, bytes);
}

Result<uint64_t> SimContainer::emit(uint64_t lines) {
  const uint64_t before = begun_;
  const bool inside = !open_[0].empty() || !open_[1].empty();
  if (lines == 0 && inside) step();
  while (begun_ - before < lines) {
    step();
    if (batch_.size() < kFlushBytes) continue;
    if (auto flushed = flush(); !flushed.ok()) return flushed.error();
  }
  if (auto flushed = flush(); !flushed.ok()) return flushed.error();
  // As containerd does, lines went on into the renamed file until now.
  if (reopenPending()) {
    if (auto opened = openFile(); !opened.ok()) return opened.error();
    reopen_.store(false, std::memory_order_release);
  }
  return begun_ - before;
}

Status SimContainer::finish(bool alive) {
  for (size_t channel = 0; channel < open_.size(); ++channel) {
    while (!open_[channel].empty()) {
      writeParts(channel, kPartsAStep);
      if (batch_.size() >= kFlushBytes) LOGTAIL_TRY(flush());
    }
    counts_[channel].alive = alive;
  }
  LOGTAIL_TRY(flush());
  // The next run, if any, finds the path's own file: a rename may just have taken this one away.
  if (reopenPending()) LOGTAIL_TRY(openFile());
  reopen_.store(false, std::memory_order_release);
  ::close(fd_);
  fd_ = -1;
  return {};
}

Status SimContainer::flush() {
  size_t done = 0;
  while (done < batch_.size()) {
    const ssize_t n = ::write(fd_, batch_.data() + done, batch_.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errnoError(errno, "write " + logPath_);
    done += static_cast<size_t>(n);
  }
  fileBytes_.fetch_add(done, std::memory_order_relaxed);
  batch_.clear();
  return {};
}

// One physical line of one channel, or a few parts of a very long one.
void SimContainer::step() {
  const size_t channel = chance(options_.stderrFraction) ? 1 : 0;
  if (open_[channel].empty()) beginLine(channel);
  const bool isLong = open_[channel].size() > kLongLine;
  writeParts(channel, isLong ? kPartsAStep : 1);
}

void SimContainer::beginLine(size_t channel) {
  const uint64_t shares = uint64_t{options_.mixText} + options_.mixJson + options_.mixMultiline;
  LineShape shape = LineShape::kText;
  if (framesLeft_[channel] > 0) {
    --framesLeft_[channel];
    shape = LineShape::kFrame;
  } else {
    const uint64_t pick = below(shares);
    if (pick >= options_.mixText + uint64_t{options_.mixJson}) {
      framesLeft_[channel] = 1 + static_cast<uint32_t>(below(kMaxFrames));
    } else if (pick >= options_.mixText) {
      shape = LineShape::kJson;
    }
  }
  const bool split = chance(options_.partialFraction);
  const uint64_t bytes =
      split ? options_.partBytes + 1 + below(2 * options_.partBytes)
            : options_.lineBytesMin + below(options_.lineBytesMax - options_.lineBytesMin + 1);
  compose(channel, shape, bytes);
}

void SimContainer::compose(size_t channel, LineShape shape, uint64_t bytes) {
  StreamCount& count = counts_[channel];
  LineId id;
  id.pod = identity_.pod;
  id.container = identity_.container;
  id.restart = identity_.restart;
  id.channel = count.channel;
  id.sequence = count.lines == 0 ? 0 : count.lastSequence + 1;
  id.timeNanos = base::systemClock().wallNanos();
  appendLine(open_[channel], shape, id, bytes, random_());
  openAt_[channel] = 0;
  if (count.lines++ == 0) count.firstSequence = id.sequence;
  count.lastSequence = id.sequence;
  ++begun_;
}

void SimContainer::writeParts(size_t channel, uint64_t limit) {
  const std::string_view line = open_[channel];
  size_t& at = openAt_[channel];
  for (uint64_t part = 0; part < limit; ++part) {
    const bool partial = line.size() - at > options_.partBytes;
    const std::string_view message = line.substr(at, partial ? options_.partBytes : line.npos);
    appendPhysical(channel, partial, message);
    at += message.size();
    if (!partial) {
      open_[channel].clear();
      return;
    }
  }
}

void SimContainer::appendPhysical(size_t channel, bool partial, std::string_view message) {
  appendTime(base::systemClock().wallNanos());
  batch_ += channel == 0 ? " stdout " : " stderr ";
  batch_ += partial ? "P " : "F ";
  batch_ += message;
  batch_ += '\n';
}

// Go's RFC3339Nano, which containerd uses: no trailing zeros, no point without a fraction.
void SimContainer::appendTime(int64_t nanos) {
  const int64_t second = nanos / kSecond;
  if (second != stampSecond_) {
    stampSecond_ = second;
    const std::time_t time = second;
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    std::strftime(stamp_, sizeof stamp_, "%Y-%m-%dT%H:%M:%S", &utc);
  }
  batch_.append(stamp_, sizeof stamp_ - 1);
  int64_t fraction = nanos % kSecond;
  if (fraction != 0) {
    char digits[10] = {'.'};
    for (int i = 9; i >= 1; --i, fraction /= 10) digits[i] = static_cast<char>('0' + fraction % 10);
    size_t length = sizeof digits;
    while (digits[length - 1] == '0') --length;
    batch_.append(digits, length);
  }
  batch_ += 'Z';
}

}  // namespace logtail::bench
