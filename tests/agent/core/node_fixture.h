#pragma once
// A node's log directories in a temporary directory, a tail worker that reads them, and the other
// end that it ships to. Tests play kubelet, runtime and aggregator.

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/tail_worker.h"
#include "tests/agent/core/recording_sink.h"
#include "tests/support/temp_dir.h"

namespace logtail::agent::test {

using Messages = std::vector<std::string>;

std::string cri(const std::string& message, char tag = 'F', const char* stream = "stdout");

class NodeFixture : public testing::Test {
 protected:
  NodeFixture();
  ~NodeFixture() override;

  std::string root() const { return dir_.path() + "/log"; }
  std::string spoolDir() const { return dir_.path() + "/spool"; }
  std::string podDir(const std::string& pod) const;
  std::string log(const std::string& pod, int restart = 0) const;
  std::string link(const std::string& pod, int restart = 0) const;
  void createPod(const std::string& pod, int restart = 0);
  void removePod(const std::string& pod);
  static void append(const std::string& path, const std::string& bytes);
  // As the kubelet does: rename, then the runtime opens a new file. Answers the rotated one's path.
  std::string rotate(const std::string& pod);
  static void compress(const std::string& path);

  void start();
  void stop();
  bool waitForEnd(const std::string& pod);
  // Looks again and again; false after a generous time.
  static bool eventually(const std::function<bool()>& condition);
  size_t copies() const;  // whole ones in the spool
  static event::StreamDescription describe(const std::string& pod);

  logtail::test::TempDir dir_;
  base::MemoryBudget budget_{64'000'000};
  RecordingSink sink_;
  TailWorkerOptions options_;  // for start(), which adds the rest
  std::unique_ptr<TailWorker> worker_;
  int rotations_ = 0;
};

}  // namespace logtail::agent::test
