#include "bench/crash/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "common/base/file_system.h"

namespace logtail::bench {

using base::errnoError;
using base::Result;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kPoll{5};

// In the new process: only calls that are safe between fork and exec.
[[noreturn]] void becomeProgram(std::vector<char*>& arguments, int log, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::dup2(log, STDOUT_FILENO);
  ::dup2(log, STDERR_FILENO);
  ::execv(arguments[0], arguments.data());
  ::_exit(127);
}

}  // namespace

std::string ExitStatus::toString() const {
  if (signal != 0) return std::string("ended by ") + ::strsignal(signal);
  return "exit " + std::to_string(code);
}

Result<Child> Child::start(const std::vector<std::string>& arguments, const std::string& logPath) {
  if (::access(arguments[0].c_str(), X_OK) != 0) return errnoError(errno, arguments[0]);
  const int log = ::open(logPath.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return errnoError(errno, "open " + logPath);
  std::vector<std::string> copies = arguments;
  std::vector<char*> pointers;
  for (std::string& copy : copies) pointers.push_back(copy.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  Child child;
  child.pid_ = ::fork();
  if (child.pid_ == 0) becomeProgram(pointers, log, parent);
  const int failed = errno;
  ::close(log);
  if (child.pid_ < 0) return errnoError(failed, "fork for " + arguments[0]);
  return child;
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), ended_(std::exchange(other.ended_, std::nullopt)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    kill9();
    pid_ = std::exchange(other.pid_, -1);
    ended_ = std::exchange(other.ended_, std::nullopt);
  }
  return *this;
}

Child::~Child() {
  kill9();
}

void Child::reap(bool block) {
  if (pid_ <= 0) return;
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, block ? 0 : WNOHANG);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return;
  ExitStatus ended;
  if (got > 0 && WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  if (got > 0 && WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  ended_ = ended;
  pid_ = -1;
}

bool Child::running() {
  reap(false);
  return pid_ > 0;
}

void Child::signal(int number) {
  if (running()) ::kill(pid_, number);
}

void Child::kill9() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  reap(true);
}

std::optional<ExitStatus> Child::wait(milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  while (running() && steady_clock::now() < deadline) {
    ::poll(nullptr, 0, static_cast<int>(kPoll.count()));
  }
  return running() ? std::nullopt : ended_;
}

ExitStatus Child::stop(milliseconds limit) {
  signal(SIGTERM);
  if (auto status = wait(limit)) return *status;
  kill9();
  return ended_.value_or(ExitStatus());
}

std::string tailOf(const std::string& logPath, size_t lines) {
  auto bytes = base::readFile(base::posixFileSystem(), logPath, uint64_t{1} << 30);
  if (!bytes.ok()) return "    (" + bytes.message() + ")\n";
  size_t at = bytes->size();
  for (size_t line = 0; line < lines && at > 0; ++line) {
    const size_t newline = at < 2 ? std::string::npos : bytes->rfind('\n', at - 2);
    at = newline == std::string::npos ? 0 : newline + 1;
  }
  std::string text;
  std::string_view left = std::string_view(*bytes).substr(at);
  while (!left.empty()) {
    const size_t end = left.find('\n');
    text += "    " + std::string(left.substr(0, end)) + "\n";
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
  }
  return text;
}

}  // namespace logtail::bench
