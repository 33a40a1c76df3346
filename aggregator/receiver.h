#pragma once
// The server for agents: accepts connections on port 24300 and runs their sessions.
//
// Flow: socket -> (with TLS: handshake, which proves the node) -> Connection -> AgentSession ->
// Intake. Owned by the aggregator; Intake, budget, clock and metrics must outlive it. Own threads:
// one accepts and ticks, sessions run on all of them, each on its own strand. Failure: start() says
// when it cannot listen or has no certificates; afterwards a failing connection ends alone, and a
// failing accept (out of descriptors) is tried again.

#include <cstdint>
#include <memory>
#include <string>

#include "aggregator/agent_session.h"

namespace logtail::aggregator {

class Receiver {
 public:
  struct Options {
    std::string host = "0.0.0.0";
    uint16_t port = 24300;  // 0: a free one
    size_t threads = 1;     // one takes in more than a disk syncs, with TLS too
    size_t connections = 2000;
    std::string tlsDirectory;        // ca.crt, tls.crt, tls.key; empty: no TLS
    size_t pendingHandshakes = 256;  // beyond `connections`; see TlsGate
    AgentSession::Options session;
  };
  Receiver(Options options, Intake& intake, base::MemoryBudget& budget, const base::Clock& clock,
           IntakeMetrics& metrics);
  ~Receiver();  // stop() without waiting for anybody

  base::Status start();
  uint16_t port() const;
  // Refuses new connections; lets sessions end with everything acknowledged, for at most `bound`.
  void stop(std::chrono::milliseconds bound);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace logtail::aggregator
