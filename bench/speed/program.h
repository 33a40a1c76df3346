#pragma once
// A program under measurement: started by this one, ended by its id, its CPU time to the
// nanosecond.

#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace logtail::bench {

class Program {
 public:
  // `environment`: variables set for it alone.
  Program(const std::vector<std::string>& arguments, const std::string& log,
          const std::vector<std::pair<std::string, std::string>>& environment = {});
  ~Program() { finish(); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  double cpuSeconds() const;  // user and system so far
  double rssMegabytes() const;
  void finish();  // SIGTERM, then waits

 private:
  pid_t pid_ = 0;
};

// The rest of the first line of a program's log that has `phrase`, once it is there; empty after
// 20 s.
std::string fromLog(const std::string& log, const std::string& phrase);

// The text of /metrics of the program that listens on loopback; empty when it does not answer.
std::string metricsOf(const std::string& port);
// The value of a series without labels in such a text; -1 when it is not there.
double metric(const std::string& text, const std::string& name);

}  // namespace logtail::bench
