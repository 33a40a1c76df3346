#pragma once
// The agent's network side: carries sealed units to an aggregator and brings acknowledgements home.
//
// Flow: tail workers -> offer() -> FrameWindow -> socket -> ACK -> CheckpointStore, ShipperEvents.
// Owned by the agent's main; checkpoints, clock and events must outlive it. Threads: one of its own
// for the network (all events come there), one for the checkpoint's write, so that a slow disk
// delays no acknowledgement; public functions are for any thread. Failure: every fault of the
// network or the aggregator ends in another attempt, 100 ms to 10 s later; nothing offered is lost
// by it. What is not acknowledged at the end is read again from the files.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/checkpoint_store.h"
#include "agent/shipper_events.h"
#include "agent/shipper_session.h"
#include "agent/unit_sink.h"

namespace logtail::agent {

// A directory with ca.crt, tls.crt and tls.key, read at each connection: renewing them needs no
// restart.
struct ShipperTls {
  std::string directory;
  std::string
      serverName;  // that the aggregator's certificate must have; empty: the host connected to
};

struct ShipperOptions {
  SessionOptions session;
  std::vector<std::string> aggregators;  // host:port or [IPv6]:port, tried in turn
  uint64_t windowBytes = FrameWindow::kDefaultHighBytes;
  std::optional<ShipperTls> tls;
  base::Nanos backOffMin = std::chrono::milliseconds(100);
  base::Nanos backOffMax = std::chrono::seconds(10);
  base::Nanos connectTimeout = std::chrono::seconds(5);  // name, connection, handshake
};

struct ShipperCounters {
  FrameWindow::Counts frames;
  uint64_t heldBytes = 0;           // offered, not acknowledged
  uint64_t inFlightBytes = 0;       // sent on this connection, not acknowledged
  double oldestUnackedSeconds = 0;  // since the oldest of them was read; 0 without any
  uint64_t connects = 0;            // HELLO_OKs
  uint64_t failedAttempts = 0;
  bool connected = false;
  uint64_t sentBytes = 0;  // everything written to sockets
  uint64_t nacks[wire::kNackReasons] = {};
  uint64_t resets = 0;
  uint64_t forbiddenBlocks = 0;
  uint64_t checkpointSaves = 0;
  uint64_t checkpointFailures = 0;
};

class Shipper final : public UnitSink {
 public:
  Shipper(ShipperOptions options, CheckpointStore& checkpoints, base::Clock& clock,
          ShipperEvents& events);
  ~Shipper() override;  // stops

  // kFixInput for an address or TLS files that cannot be used.
  base::Status start();
  // Closes at once and waits for the threads; saves the checkpoint. No event comes afterwards.
  void stop();

  // False, the unit untouched, when the window is full, a reset runs or the shipper drains.
  bool offer(SealedUnit& unit) override;
  // Announce a stream once; again only after end(), or while a reset runs. Answer: onStreamOk.
  void announce(const event::StreamDescription& description) override;
  void end(const event::StreamKey& key) override;
  // The receiver has forgotten every position of the old life (ShipperEvents::onReset).
  void resetDone();
  // The agent's own counts; sent when connected, else dropped. `final` answers onStatsDue(true).
  void sendStats(wire::Stats stats);

  // No more offers; waits for the acknowledgement of everything, ends the streams that end, sends
  // the last STATS, closes, saves the checkpoint; then `done(true)` on the network thread, or after
  // `within` `done(false)`. Call once.
  void drain(base::Nanos within, std::function<void(bool complete)> done);

  ShipperCounters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace logtail::agent
