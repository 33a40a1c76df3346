#pragma once
// Writes down what the shipper tells, one line an event, and lets a test wait for a line.

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "agent/shipper_events.h"

namespace logtail::agent {

class RecordingEvents final : public ShipperEvents {
 public:
  // "pod" instead of a key in the lines.
  void nameStream(const event::StreamKey& key, const std::string& pod) {
    const std::lock_guard lock(mutex_);
    names_[key] = pod;
  }
  // Runs on the network thread at onStatsDue / onReset, if set.
  std::function<void(bool final)> statsDue;
  std::function<void()> resetHook;

  void onConnected(const wire::HelloOk& hello) override {
    add("connected queue=" + std::to_string(hello.queueId));
  }
  void onStreamOk(const event::StreamKey& key, wire::StreamStatus status,
                  const event::Resume& resume, const event::Resume* checkpoint) override {
    add("stream " + nameOf(key) + " " + wire::name(status) + " to=" + std::to_string(to(resume)) +
        (checkpoint != nullptr ? " checkpoint=" + std::to_string(to(*checkpoint)) : ""));
  }
  void onAcked(AckedBlocks blocks, uint64_t queueId) override {
    for (const event::BlockHeader& block : *blocks) {
      add("acked " + nameOf(block.stream) + " to=" + std::to_string(block.to) +
          " queue=" + std::to_string(queueId));
    }
  }
  void onForbidden(const event::StreamKey& key) override { add("forbidden " + nameOf(key)); }
  void onRoom() override { add("room"); }
  void onReset(ResetReason reason) override {
    add(std::string("reset ") + name(reason));
    if (resetHook) resetHook();
  }
  void onStatsDue(bool final) override {
    add(final ? "stats due, final" : "stats due");
    if (statsDue) statsDue(final);
  }

  void add(std::string line) {
    const std::lock_guard lock(mutex_);
    lines_.push_back(std::move(line));
    changed_.notify_all();
  }
  // Waits until the line has come `times` times; a failure when it does not.
  void waitFor(const std::string& line, long times = 1) {
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::seconds(20), [&] {
      return std::count(lines_.begin(), lines_.end(), line) >= times;
    });
    EXPECT_TRUE(came) << "no \"" << line << "\" among:\n" << joined();
  }
  std::vector<std::string> lines() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }
  long count(const std::string& line) {
    const std::lock_guard lock(mutex_);
    return std::count(lines_.begin(), lines_.end(), line);
  }

 private:
  static uint64_t to(const event::Resume& resume) {
    return resume.generations.empty() ? 0 : resume.generations.back().to;
  }
  std::string nameOf(const event::StreamKey& key) {
    const std::lock_guard lock(mutex_);
    const auto found = names_.find(key);
    return found == names_.end() ? event::toString(key) : found->second;
  }
  std::string joined() const {
    std::string all;
    for (const std::string& line : lines_) all += "  " + line + "\n";
    return all;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<event::StreamKey, std::string> names_;
  std::vector<std::string> lines_;
};

}  // namespace logtail::agent
