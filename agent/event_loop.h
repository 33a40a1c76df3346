#pragma once
// A libuv loop on a thread of its own, and the one way into it from other threads: post().
//
// Owner: a tail worker. post() is for any thread and never blocks; tasks run on the loop's thread
// in order. stop() runs what was posted, then `closing` on the loop's thread (close handles there),
// then ends the thread. What is posted after stop() is dropped.

#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "common/base/result.h"

struct uv_loop_s;

namespace logtail::agent {

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // `opening` runs first, on the loop's thread.
  base::Status start(std::function<void()> opening);
  void post(std::function<void()> task);
  void stop(std::function<void()> closing);

  uv_loop_s* loop();

 private:
  struct Handles;
  void push(std::function<void()> task);  // under the mutex
  void runPosted();

  std::unique_ptr<Handles> handles_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  bool accepting_ = false;
  std::thread thread_;
};

}  // namespace logtail::agent
