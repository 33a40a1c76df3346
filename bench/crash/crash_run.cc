#include "bench/crash/crash_run.h"

#include <signal.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iomanip>

#include "bench/crash/node_scan.h"
#include "common/base/file_system.h"

namespace logtail::bench {

using base::Errc;
using base::Status;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kReady{60'000};
constexpr milliseconds kStop{60'000};
constexpr milliseconds kSupervise{200};
constexpr milliseconds kQuiet{1'500};  // no new result bytes for so long: nothing is under way
constexpr milliseconds kQuietLimit{120'000};

bool signalled(nanoseconds wait) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
  constexpr int64_t kSecond = 1'000'000'000;
  const int64_t nanos = std::max<int64_t>(wait.count(), 0);
  const timespec timeout{nanos / kSecond, nanos % kSecond};
  return ::sigtimedwait(&signals, nullptr, &timeout) > 0;
}

}  // namespace

CrashRun::CrashRun(const CrashOptions& options, const std::string& directory)
    : options_(options), programs_(options, directory) {}

CrashResult CrashRun::run() {
  const auto keep = [this](const Status& status) {
    if (!status.ok()) result_.failures.push_back(status.message());
    return status.ok();
  };
  // A failure ends the torment, not the count: what arrived until then tells more.
  const bool lived = keep(torment()) && keep(settle()) && keep(audit());
  keep(programs_.stopPodsim(kStop));
  if (lived) {
    keep(programs_.stop(Target::kAgent, kStop));
    keep(programs_.stop(Target::kAggregator, kStop));
    compare();
  }
  return result_;
}

Status CrashRun::torment() {
  LOGTAIL_TRY(programs_.writeConfigs());
  LOGTAIL_TRY(programs_.start(Target::kAggregator));
  LOGTAIL_TRY(programs_.waitReady(Target::kAggregator, kReady));
  LOGTAIL_TRY(programs_.start(Target::kAgent));
  LOGTAIL_TRY(programs_.waitReady(Target::kAgent, kReady));
  LOGTAIL_TRY(programs_.startPodsim());
  const Time start = steady_clock::now();
  for (const CrashEvent& event : makeSchedule(options_)) {
    LOGTAIL_TRY(waitUntil(start + event.at));
    LOGTAIL_TRY(follow(event));
  }
  LOGTAIL_TRY(waitUntil(start + options_.time));
  return programs_.stopPodsim(kStop);
}

Status CrashRun::waitUntil(Time time) {
  for (;;) {
    LOGTAIL_TRY(programs_.check());
    if (!programs_.podsim().running()) return {Errc::kStop, "podsim ended by itself"};
    const nanoseconds left = time - steady_clock::now();
    if (left.count() <= 0) return {};
    if (signalled(std::min<nanoseconds>(left, kSupervise))) return {Errc::kStop, "interrupted"};
  }
}

// What happened when, for who looks into a failed run (--keep-dir).
void CrashRun::note(const CrashEvent& event) {
  constexpr const char* kWhat[] = {"kill -9", "start", "delete state, start"};
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::ofstream(programs_.directory() + "/events.log", std::ios::app)
      << std::fixed << std::setprecision(3) << std::chrono::duration<double>(now).count() << " "
      << name(event.target) << " " << kWhat[static_cast<size_t>(event.kind)] << "\n";
}

Status CrashRun::follow(const CrashEvent& event) {
  note(event);
  switch (event.kind) {
    case CrashEvent::Kind::kKill:
      programs_.kill9(event.target);
      ++(event.target == Target::kAgent ? result_.agentKills : result_.aggregatorKills);
      return {};
    case CrashEvent::Kind::kStart:
      return programs_.running(event.target) ? Status() : programs_.start(event.target);
    case CrashEvent::Kind::kDeleteState:
      return deleteState();
  }
  return {};
}

// The node stands still until the agent is up again, so that "what still exists on disk" is one
// thing: what is there now.
Status CrashRun::deleteState() {
  programs_.podsim().signal(SIGSTOP);
  std::error_code failed;
  std::filesystem::remove_all(programs_.agentState(), failed);
  if (failed) return {Errc::kStop, programs_.agentState() + ": " + failed.message()};
  auto floors = firstOnDisk(programs_.root());
  if (!floors.ok()) return floors.error();
  floors_ = std::move(*floors);
  LOGTAIL_TRY(base::posixFileSystem().createDirectories(programs_.agentState()));
  LOGTAIL_TRY(programs_.start(Target::kAgent));
  Status ready = programs_.waitReady(Target::kAgent, kReady);
  programs_.podsim().signal(SIGCONT);
  return ready;
}

uint64_t CrashRun::resultBytes() const {
  uint64_t bytes = 0;
  std::error_code failed;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(programs_.results(), failed)) {
    if (entry.is_regular_file(failed)) bytes += entry.file_size(failed);
  }
  return bytes;
}

// Both up, and the output quiet: the audit then need not guess what the agent has yet to see.
Status CrashRun::settle() {
  LOGTAIL_TRY(programs_.waitReady(Target::kAggregator, kReady));
  LOGTAIL_TRY(programs_.waitReady(Target::kAgent, kReady));
  const Time limit = steady_clock::now() + kQuietLimit;
  uint64_t bytes = resultBytes();
  Time since = steady_clock::now();
  while (steady_clock::now() - since < kQuiet && steady_clock::now() < limit) {
    if (signalled(kSupervise)) return {Errc::kStop, "interrupted"};
    LOGTAIL_TRY(programs_.check());
    if (const uint64_t now = resultBytes(); now != bytes) {
      bytes = now;
      since = steady_clock::now();
    }
  }
  return {};
}

Status CrashRun::audit() {
  auto text = programs_.audit(result_.auditCode);
  if (!text.ok()) return text.error();
  result_.auditText = *text;
  return {};
}

void CrashRun::compare() {
  CheckOptions options;
  options.floors = floors_;
  auto report = checkDelivery(programs_.root(), programs_.results(), options);
  if (!report.ok()) {
    result_.failures.push_back(report.message());
    return;
  }
  result_.report = *report;
  if (!report->clean()) result_.failures.push_back(report->toString());
  if (report->written == 0) result_.failures.push_back("podsim wrote nothing");
  // Lines whose last copy went with the state are unaccounted for by right.
  const bool mayComplain = report->excused > 0 && result_.auditCode == 1;
  if (result_.auditCode != 0 && !mayComplain) {
    result_.failures.push_back("the audit is not clean: exit " + std::to_string(result_.auditCode) +
                               "\n" + result_.auditText);
  }
}

}  // namespace logtail::bench
