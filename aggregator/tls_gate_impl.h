#pragma once
// Between the listener and the sessions of a TLS port: who may come in, and as which node.
//
// Flow: Receiver -> TlsGate -> TlsHandshake -> TlsGate -> Connection with a proven node ->
// Receiver. Owned by the receiver; clock and metrics must outlive it, and it outlives the
// receiver's threads. Any thread; what it hands over comes on the connection's strand. Those that
// have proved nothing are at most `pending`: a further one pushes out the oldest, so that idle
// connections keep nobody out. Failure: a connection ends alone, counted by reason; of each reason
// a line in kLogInterval.

#include <array>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "aggregator/connection.h"
#include "aggregator/tls_credentials_impl.h"
#include "aggregator/tls_handshake_impl.h"

namespace logtail::aggregator {

class TlsGate final : public TlsHandshake::Owner {
 public:
  using Executor = TlsHandshake::Socket::executor_type;
  using Ready = std::function<void(std::unique_ptr<Connection>, Executor)>;
  static constexpr base::Nanos kLogInterval = std::chrono::seconds(5);

  struct Options {
    std::string directory;
    TlsHandshake::Limits limits;
    size_t pending = 256;
  };
  TlsGate(Options options, const base::Clock& clock, IntakeMetrics& metrics, Ready ready);
  ~TlsGate() override;

  base::Status load() { return credentials_.load(); }
  void admit(TlsHandshake::Socket socket);  // its executor is a strand
  void tick();                              // a few times a second

 private:
  struct Told {
    base::Nanos at{};
    uint64_t since = 0;  // of this reason, not logged
    bool ever = false;
  };

  void onProven(const TlsHandshake::Pointer& handshake, const std::string& node) override;
  void onFailed(const TlsHandshake::Pointer& handshake, TlsFailure why,
                const std::string& text) override;
  void onGone(const TlsHandshake::Pointer& handshake) override;
  void remove(const TlsHandshake::Pointer& handshake);
  void tell(TlsFailure why, const std::string& address, const std::string& text);

  const Options options_;
  const base::Clock& clock_;
  IntakeMetrics& metrics_;
  const Ready ready_;
  TlsCredentials credentials_;
  std::mutex mutex_;
  std::vector<TlsHandshake::Pointer> pending_;  // in the order they came
  std::array<Told, kTlsFailures> told_;
};

}  // namespace logtail::aggregator
