#pragma once
// One connection from its acceptance to the proof of who it is.
//
// Flow: TlsGate -> TlsHandshake -> the peer's first byte (is it TLS at all?) -> OpenSSL -> the node
// its certificate names -> TlsGate. Owned by the gate, and by its own handlers. Thread: the
// socket's strand; fail() and tick() are posted there by whoever calls. Failure: told once, with
// its reason; then the peer has a moment to read the alert before the socket closes.

#include <array>
#include <memory>
#include <string>

#include "aggregator/tls_failure.h"
#include "common/base/clock.h"
#include "common/net/tls_impl.h"

namespace logtail::aggregator {

class TlsHandshake final : public std::enable_shared_from_this<TlsHandshake> {
 public:
  using Pointer = std::shared_ptr<TlsHandshake>;
  using Socket = boost::asio::ip::tcp::socket;

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void onProven(const Pointer& handshake, const std::string& node) = 0;
    virtual void onFailed(const Pointer& handshake, TlsFailure why, const std::string& text) = 0;
    virtual void onGone(const Pointer& handshake) = 0;  // after onFailed(): the socket is closed
  };
  struct Limits {
    std::chrono::milliseconds handshake{10'000};
    std::chrono::milliseconds linger{2'000};  // for the peer to read why it failed
  };

  TlsHandshake(Socket socket, std::shared_ptr<net::TlsContext> context, Owner& owner,
               const base::Clock& clock, Limits limits);

  void start();    // on the strand
  void tick();     // the same
  void pushOut();  // the same: at once, without a farewell

  const std::string& address() const { return address_; }
  auto strand() { return stream_->get_executor(); }
  const std::shared_ptr<net::TlsContext>& context() const { return context_; }
  const std::shared_ptr<net::TlsStream>& stream() const { return stream_; }

 private:
  enum class State : uint8_t { kShaking, kLingering, kDone };
  using ErrorCode = boost::system::error_code;

  void onFirstByte(const ErrorCode& error);
  void onHandshake(const ErrorCode& error);
  void answerInPlain();
  void fail(TlsFailure why, const std::string& text);
  void linger();
  void close();

  const std::shared_ptr<net::TlsContext> context_;
  const std::shared_ptr<net::TlsStream> stream_;
  Owner& owner_;
  const base::Clock& clock_;
  const Limits limits_;
  State state_ = State::kShaking;
  base::Nanos since_;
  std::string address_ = "unknown";
  char first_ = 0;
  std::array<char, 512> ignored_{};
  std::string farewell_;
};

}  // namespace logtail::aggregator
