#include <boost/asio/post.hpp>

#include "agent/checkpoint_saver_impl.h"
#include "common/base/log.h"

namespace logtail::agent {

namespace asio = boost::asio;

void CheckpointSaver::saveIfDue() {
  const auto due = store_.dueAt();
  if (due && clock_.steady() >= *due) save([] {});
}

void CheckpointSaver::save(std::function<void()> then) {
  asio::post(disk_, [this, then = std::move(then), snapshot = store_.beginSave()]() mutable {
    base::Status status = store_.write(snapshot);
    asio::post(context_, [this, then = std::move(then), snapshot = std::move(snapshot),
                          status = std::move(status)] {
      store_.finishSave(snapshot, status);
      note(status);
      then();
      saved_();
    });
  });
}

void CheckpointSaver::finish() {
  disk_.join();
  if (store_.dirty()) note(store_.save());
}

void CheckpointSaver::note(const base::Status& status) {
  ++(status.ok() ? saves_ : failures_);
  if (!status.ok()) base::logError("event=checkpoint_not_saved error=\"" + status.message() + "\"");
}

}  // namespace logtail::agent
