#pragma once
// What the shipper tells the rest of the agent.
//
// Every call comes on the network thread, without a lock held; the receiver posts to its own loops
// and returns at once. Calls about one stream come in the order of what happened.

#include <cstdint>
#include <string_view>

#include "agent/sealed_unit.h"
#include "common/event/resume.h"
#include "common/wire/messages.h"

namespace logtail::agent {

// Why everything under way was dropped.
enum class ResetReason : uint8_t {
  kLostAfterAck,  // the queue lost what it had acknowledged
  kOverlap,       // a block begins before the ledger's end of its generation
  kQueueChanged,  // another queue answers: what is under way may be in the old one, so in doubt
  kDamaged,       // a frame arrives damaged again and again: cut it anew
};
const char* name(ResetReason reason);

class ShipperEvents {
 public:
  virtual ~ShipperEvents() = default;

  virtual void onConnected(const wire::HelloOk& hello) = 0;
  // The answer to announce(), and again for each stream after a reset. `checkpoint` is what this
  // agent had acknowledged before, null without any: with kLostAfterAck, what is sent again below
  // it is in doubt.
  virtual void onStreamOk(const event::StreamKey& key, wire::StreamStatus status,
                          const event::Resume& resume, const event::Resume* checkpoint) = 0;
  // The blocks of one unit are durable in this queue, and the checkpoint has moved.
  virtual void onAcked(AckedBlocks blocks, uint64_t queueId) = 0;
  // The stream belongs to another node: nothing of it is taken.
  virtual void onForbidden(const event::StreamKey& key) = 0;
  // After a refused offer(), once less than half of the window is used.
  virtual void onRoom() = 0;
  // Everything offered is dropped and offers are refused: the receiver forgets all positions and
  // calls Shipper::resetDone(). Then the shipper connects with a new life and announces every
  // stream again.
  virtual void onReset(ResetReason reason) = 0;
  // Time for Shipper::sendStats(); `final` at the end of a drain.
  virtual void onStatsDue(bool final) = 0;
};

}  // namespace logtail::agent
