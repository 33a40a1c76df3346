#include <algorithm>

#include "aggregator/tls_connection_impl.h"
#include "aggregator/tls_gate_impl.h"
#include "common/base/log.h"

namespace logtail::aggregator {

TlsGate::TlsGate(Options options, const base::Clock& clock, IntakeMetrics& metrics, Ready ready)
    : options_(std::move(options)),
      clock_(clock),
      metrics_(metrics),
      ready_(std::move(ready)),
      credentials_(options_.directory, clock, metrics) {}

TlsGate::~TlsGate() = default;

void TlsGate::admit(TlsHandshake::Socket socket) {
  auto handshake = std::make_shared<TlsHandshake>(std::move(socket), credentials_.current(), *this,
                                                  clock_, options_.limits);
  TlsHandshake::Pointer oldest;
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() >= options_.pending) {
      oldest = pending_.front();
      pending_.erase(pending_.begin());
    }
    pending_.push_back(handshake);
    metrics_.tlsPending.set(static_cast<double>(pending_.size()));
  }
  if (oldest) boost::asio::post(oldest->strand(), [oldest] { oldest->pushOut(); });
  boost::asio::post(handshake->strand(), [handshake] { handshake->start(); });
}

void TlsGate::tick() {
  credentials_.current();  // so that a bad file is told of, though nobody connects
  const std::lock_guard lock(mutex_);
  for (const auto& handshake : pending_) {
    boost::asio::post(handshake->strand(), [handshake] { handshake->tick(); });
  }
}

void TlsGate::onProven(const TlsHandshake::Pointer& handshake, const std::string& node) {
  remove(handshake);
  const std::string& address = handshake->address();
  ready_(std::make_unique<TlsConnection>(handshake->context(), handshake->stream(), node, address,
                                         [this, address](const std::string& text) {
                                           tell(TlsFailure::kOtherNode, address, text);
                                         }),
         handshake->strand());
}

void TlsGate::onFailed(const TlsHandshake::Pointer& handshake, TlsFailure why,
                       const std::string& text) {
  tell(why, handshake->address(), text);
}

void TlsGate::tell(TlsFailure why, const std::string& address, const std::string& text) {
  metrics_.tlsFailures[static_cast<size_t>(why)]->add();
  uint64_t others = 0;
  {
    const std::lock_guard lock(mutex_);
    Told& told = told_[static_cast<size_t>(why)];
    if (told.ever && clock_.steady() - told.at < kLogInterval) {
      ++told.since;
      return;
    }
    others = told.since;
    told = {clock_.steady(), 0, true};
  }
  std::string line = "agent " + address + ": no TLS session: " + name(why) + ": " + text;
  if (others > 0) line += "; " + std::to_string(others) + " more like it since the last line";
  // Somebody who only looks whether the port is open is no news.
  base::log(why == TlsFailure::kClosed ? base::LogLevel::kDebug : base::LogLevel::kWarn, line);
}

void TlsGate::onGone(const TlsHandshake::Pointer& handshake) {
  remove(handshake);
}

void TlsGate::remove(const TlsHandshake::Pointer& handshake) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find(pending_.begin(), pending_.end(), handshake);
  if (found != pending_.end()) pending_.erase(found);
  metrics_.tlsPending.set(static_cast<double>(pending_.size()));
}

}  // namespace logtail::aggregator
