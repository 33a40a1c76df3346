#pragma once
// A program that this one started, and the only kind of process it ever signals.
//
// Owner: whoever started it; a child that is still running when its owner goes is killed. It also
// dies with this process, however that ends. Thread: the one that started it (the kernel ties the
// child's end to that thread).

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "common/base/result.h"

namespace logtail::bench {

// How a process ended, for a person and for decisions.
struct ExitStatus {
  int code = -1;   // of exit(), else -1
  int signal = 0;  // that ended it, else 0
  bool clean() const { return code == 0; }
  std::string toString() const;
};

class Child {
 public:
  // `arguments[0]` is the program's path; stdout and stderr are appended to `logPath`.
  static base::Result<Child> start(const std::vector<std::string>& arguments,
                                   const std::string& logPath);
  Child() = default;
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  bool running();  // also notices that it ended
  const std::optional<ExitStatus>& ended() const { return ended_; }
  void signal(int number);
  void kill9();  // and waits for its end
  // Waits so long; nothing when it still runs.
  std::optional<ExitStatus> wait(std::chrono::milliseconds limit);
  // SIGTERM and wait(); after the limit kill9().
  ExitStatus stop(std::chrono::milliseconds limit);

 private:
  void reap(bool block);

  pid_t pid_ = -1;
  std::optional<ExitStatus> ended_;
};

// The last lines of a log, indented, for a failure's report.
std::string tailOf(const std::string& logPath, size_t lines);

}  // namespace logtail::bench
