#pragma once
// The agent's half of the conversation (docs/wire-format.md), without sockets: what to say when,
// and what an answer means.
//
// Flow: Shipper's commands and the aggregator's messages -> ShipperSession -> control bytes,
// frames, ShipperEvents, checkpoints. Outlives connections: begin() and end() frame each. Owned by
// Shipper with everything it refers to. Thread: the network thread; the window is shared with tail
// workers by lock. Failure: an Outcome that tells the owner to close and when to come back; never
// an exception.

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/checkpoint_store.h"
#include "agent/frame_window.h"
#include "agent/shipper_events.h"
#include "common/wire/message_reader.h"

namespace logtail::agent {

struct LockedWindow {
  explicit LockedWindow(uint64_t highBytes) : window(highBytes) {}
  template <typename Use>
  auto with(Use&& use) {
    const std::lock_guard lock(mutex);
    return use(window);
  }
  std::mutex mutex;
  FrameWindow window;
};

struct Outcome {
  enum class Kind : uint8_t {
    kGoOn,
    kReconnect,  // close, come back at once
    kBackOff,    // close, come back after a while
    kMalformed,  // the same, with ERROR `malformed`
    kRefused,    // close; only a person or much time changes the answer
  };
  Kind kind = Kind::kGoOn;
  std::string text;
  bool ok() const { return kind == Kind::kGoOn; }
};

struct SessionOptions {
  std::string cluster;
  std::string node;
  std::string agentVersion;
  std::string token;
  base::Nanos statsInterval = std::chrono::seconds(5);
  base::Nanos pingAfter = std::chrono::seconds(10);
  base::Nanos silenceLimit = std::chrono::seconds(30);
};

class ShipperSession {
 public:
  ShipperSession(SessionOptions options, LockedWindow& window, CheckpointStore& checkpoints,
                 base::Clock& clock, ShipperEvents& events);

  // --- commands ---
  void announce(const event::StreamKey& key, std::string description);
  void endStream(const event::StreamKey& key);
  void sendStats(wire::Stats stats);
  void resetDone();
  void drain() { draining_ = true; }

  // --- one connection ---
  void begin();  // HELLO
  Outcome take(const wire::MessageReader::Message& message);
  Outcome tick();  // time has passed
  void end();
  // When tick() or frame() has something to do without any other event.
  base::Nanos wakeAt();

  // --- what to write: control bytes before frames ---
  std::string control();
  FramePtr frame();

  bool isOpen() const { return phase_ == Phase::kOpen; }
  bool mayConnect() const { return !resetting_; }
  bool saidEverything() const { return finalStatsSaid_ && control_.empty(); }
  uint64_t life() const { return life_; }

  // Sums since construction. Any thread.
  struct Counts {
    std::array<std::atomic<uint64_t>, wire::kNackReasons> nacks{};  // by reason
    std::atomic<uint64_t> resets{0};
    std::atomic<uint64_t> forbiddenBlocks{0};
  };
  const Counts& counts() const { return counts_; }

 private:
  enum class Phase : uint8_t { kClosed, kHelloSaid, kOpen };
  struct Stream {
    bool wanted = true;    // the receiver waits for onStreamOk
    bool open = false;     // answered on this connection
    bool awaited = false;  // frames wait for its STREAM_OK
    bool ending = false;   // STREAM_END once nothing of it is pending
    bool endSaid = false;  // on this connection
    bool forbidden = false;
    bool ackedInLife = false;
    uint64_t openedBytes = 0;  // of the resume points it was opened with in this life
  };

  Outcome onHelloOk(std::string_view payload);
  Outcome onStreamOk(std::string_view payload);
  Outcome onAck(std::string_view payload);
  Outcome onNack(std::string_view payload);
  Outcome onError(std::string_view payload);
  Outcome onEnded(const event::StreamKey& key);
  void opened(const event::StreamKey& key, Stream& stream, const wire::StreamOk& ok);
  void takeAcked(const std::vector<FramePtr>& frames,
                 const std::vector<wire::RefusedBlock>& refused);
  void takeAckedUnit(const FramePtr& frame, const SealedUnit& unit, uint64_t firstBlock,
                     const std::vector<wire::RefusedBlock>& refused);
  void forbid(const event::StreamKey& key);
  Outcome reset(ResetReason reason, std::string text);
  void announceAll();
  void fillAnnouncements();
  void sayEnds();
  void continueDrain();

  const SessionOptions options_;
  LockedWindow& window_;
  CheckpointStore& checkpoints_;
  base::Clock& clock_;
  ShipperEvents& events_;

  uint64_t life_;
  Phase phase_ = Phase::kClosed;
  std::unordered_map<event::StreamKey, Stream, event::StreamKeyHash> streams_;
  std::deque<event::StreamKey> toAnnounce_;
  std::unordered_set<event::StreamKey, event::StreamKeyHash> toEnd_;
  size_t awaitedStreams_ = 0;
  std::string control_;
  uint64_t queueId_ = 0;  // of the newest HELLO_OK of this life
  bool resetting_ = false;
  bool draining_ = false;
  bool finalStatsAsked_ = false;
  bool finalStatsSaid_ = false;
  bool everOpen_ = false;
  uint64_t damagedSequence_ = 0;
  unsigned damagedTimes_ = 0;
  base::Nanos lastHeard_{};
  base::Nanos lastPing_{};
  base::Nanos statsAt_{};
  Counts counts_;
};

}  // namespace logtail::agent
