#pragma once
// Writes the checkpoint on a thread of its own, so that a slow disk delays no acknowledgement.
// Private to the shipper's .cc files.
//
// Flow: CheckpointStore (says when it is due) -> CheckpointSaver -> disk. Owned by the Shipper;
// store, context and clock must outlive it. Public functions are for the network thread, which runs
// `context`, but for the counts. A failure is logged and counted; the store is due again.

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>

#include "agent/checkpoint_store.h"

namespace logtail::agent {

class CheckpointSaver {
 public:
  // `saved` is called after each write, on the network thread.
  CheckpointSaver(CheckpointStore& store, boost::asio::io_context& context, base::Clock& clock,
                  std::function<void()> saved)
      : store_(store), context_(context), clock_(clock), saved_(std::move(saved)), disk_(1) {}

  void saveIfDue();
  // `then` is called before `saved`.
  void save(std::function<void()> then);
  // When the network thread is gone: waits for a write under way, and writes what is left.
  void finish();

  uint64_t saves() const { return saves_; }
  uint64_t failures() const { return failures_; }

 private:
  void note(const base::Status& status);

  CheckpointStore& store_;
  boost::asio::io_context& context_;
  base::Clock& clock_;
  const std::function<void()> saved_;
  boost::asio::thread_pool disk_;
  std::atomic<uint64_t> saves_{0};
  std::atomic<uint64_t> failures_{0};
};

}  // namespace logtail::agent
