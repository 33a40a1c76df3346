#pragma once
// What is under way for one node: between its session, the admission and the queue.
//
// Flow: Intake makes one a node; the session of the node's newest HELLO owns its use; the commit
// thread reports durable frames to it. Admission fields are guarded by Intake's lock, the rest by
// the link's own. Shared by sessions and queue callbacks; outlives neither Intake nor ledger.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/wire/messages.h"

namespace logtail::aggregator {

// A session as the link sees it. Called from any thread; must only post.
class LinkOwner {
 public:
  virtual ~LinkOwner() = default;
  virtual void durableMoved() = 0;
  virtual void fenced() = 0;         // a newer HELLO of this node is here
  virtual void intakeStopped() = 0;  // nothing will be acknowledged any more
};

class NodeLink {
 public:
  explicit NodeLink(std::string node) : node_(std::move(node)) {}

  const std::string& node() const { return node_; }

  // --- admission: under Intake's lock ---
  uint64_t ticket = 0;  // of the HELLO whose session may send
  uint64_t life = 0;
  uint64_t lastAdmitted = 0;  // frame of that life
  uint64_t lastEntry = 0;     // the node's newest queue entry, of any life
  bool unproven = false;

  // --- durability: any thread ---
  // A session takes over; frames of `ofLife` up to `durableFrame` are durable already.
  void attach(std::weak_ptr<LinkOwner> owner, uint64_t ofLife, uint64_t durableFrame);
  std::shared_ptr<LinkOwner> owner() const;
  void refuse(uint64_t sequence, uint64_t block);  // a forbidden block, for the frame's ACK
  // The frame `sequence` of `life` and all before it are durable; wakes the session.
  void frameDurable(uint64_t ofLife, uint64_t sequence);
  void stop();

  // The ACK that is due when anything is durable beyond `acked`; forbidden blocks are handed out
  // once.
  bool takeAck(uint64_t acked, wire::Ack& ack);
  uint64_t durableFrame() const;

  static constexpr size_t kMaxRefused = 4096;

 private:
  const std::string node_;
  mutable std::mutex mutex_;
  std::weak_ptr<LinkOwner> owner_;
  uint64_t durableLife_ = 0;
  uint64_t durableFrame_ = 0;
  std::vector<wire::RefusedBlock> refused_;  // not yet acknowledged, ascending
};

}  // namespace logtail::aggregator
