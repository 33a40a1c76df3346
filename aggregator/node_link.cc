#include "aggregator/node_link.h"

#include <algorithm>

namespace logtail::aggregator {

void NodeLink::attach(std::weak_ptr<LinkOwner> owner, uint64_t ofLife, uint64_t durableFrame) {
  const std::lock_guard lock(mutex_);
  owner_ = std::move(owner);
  durableFrame_ = durableLife_ == ofLife ? std::max(durableFrame_, durableFrame) : durableFrame;
  if (durableLife_ != ofLife) refused_.clear();
  durableLife_ = ofLife;
}

std::shared_ptr<LinkOwner> NodeLink::owner() const {
  const std::lock_guard lock(mutex_);
  return owner_.lock();
}

void NodeLink::refuse(uint64_t sequence, uint64_t block) {
  const std::lock_guard lock(mutex_);
  if (refused_.size() < kMaxRefused) refused_.push_back({sequence, block});
}

void NodeLink::frameDurable(uint64_t ofLife, uint64_t sequence) {
  std::shared_ptr<LinkOwner> owner;
  {
    const std::lock_guard lock(mutex_);
    if (ofLife != durableLife_ || sequence <= durableFrame_) return;
    durableFrame_ = sequence;
    owner = owner_.lock();
  }
  if (owner != nullptr) owner->durableMoved();
}

void NodeLink::stop() {
  if (const std::shared_ptr<LinkOwner> session = owner()) session->intakeStopped();
}

bool NodeLink::takeAck(uint64_t acked, wire::Ack& ack) {
  const std::lock_guard lock(mutex_);
  if (durableFrame_ <= acked) return false;
  ack.sequence = durableFrame_;
  ack.forbidden.clear();
  const auto due = std::find_if(refused_.begin(), refused_.end(), [&](const auto& refused) {
    return refused.sequence > durableFrame_;
  });
  ack.forbidden.assign(refused_.begin(), due);
  refused_.erase(refused_.begin(), due);
  return true;
}

uint64_t NodeLink::durableFrame() const {
  const std::lock_guard lock(mutex_);
  return durableFrame_;
}

}  // namespace logtail::aggregator
