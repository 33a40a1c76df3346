#include "agent/event_loop.h"

#include <uv.h>

namespace logtail::agent {

struct EventLoop::Handles {
  uv_loop_t loop{};
  uv_async_t wake{};
};

EventLoop::EventLoop() : handles_(std::make_unique<Handles>()) {
  LOGTAIL_ASSERT(uv_loop_init(&handles_->loop) == 0);
}

EventLoop::~EventLoop() {
  stop({});
  uv_loop_close(&handles_->loop);
}

uv_loop_s* EventLoop::loop() {
  return &handles_->loop;
}

base::Status EventLoop::start(std::function<void()> opening) {
  handles_->wake.data = this;
  const int failed = uv_async_init(&handles_->loop, &handles_->wake, [](uv_async_t* wake) {
    static_cast<EventLoop*>(wake->data)->runPosted();
  });
  if (failed != 0)
    return {base::Errc::kPushBack, std::string("event loop: ") + uv_strerror(failed)};
  {
    const std::lock_guard lock(mutex_);
    accepting_ = true;
  }
  post(std::move(opening));
  thread_ = std::thread([this] { uv_run(&handles_->loop, UV_RUN_DEFAULT); });
  return {};
}

void EventLoop::post(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  push(std::move(task));
}

void EventLoop::push(std::function<void()> task) {
  if (!accepting_) return;
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) uv_async_send(&handles_->wake);
}

void EventLoop::runPosted() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks) task();
}

void EventLoop::stop(std::function<void()> closing) {
  if (!thread_.joinable()) return;
  {
    // In one step: a task behind the closing one would meet what that has taken away.
    const std::lock_guard lock(mutex_);
    push([this, closing = std::move(closing)] {
      if (closing) closing();
      uv_close(reinterpret_cast<uv_handle_t*>(&handles_->wake), nullptr);
    });
    accepting_ = false;
  }
  thread_.join();
}

}  // namespace logtail::agent
