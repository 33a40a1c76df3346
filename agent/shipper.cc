#include "agent/shipper.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <thread>

#include "agent/checkpoint_saver_impl.h"
#include "agent/reconnect_plan.h"
#include "agent/shipper_connection_impl.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

// Whatever labels a pod carries, its description stays below the wire's limit.
std::string encodeWithinLimit(const event::StreamDescription& description) {
  std::string bytes;
  event::encode(description, bytes);
  if (bytes.size() <= event::kMaxStreamDescription) return bytes;
  event::StreamDescription smaller = description;
  for (auto* dropped : {&smaller.annotations, &smaller.labels}) {
    dropped->clear();
    bytes.clear();
    event::encode(smaller, bytes);
    if (bytes.size() <= event::kMaxStreamDescription) break;
  }
  base::logWarn("event=description_cut stream=" + event::toString(description.key()) +
                " hint=\"labels and annotations of the pod exceed 64 KiB\"");
  return bytes;
}

}  // namespace

class Shipper::Impl final : public ShipperConnection::Owner {
 public:
  Impl(ShipperOptions options, CheckpointStore& checkpoints, base::Clock& clock,
       ShipperEvents& events)
      : options_(std::move(options)),
        checkpoints_(checkpoints),
        clock_(clock),
        window_(options_.windowBytes),
        session_(options_.session, window_, checkpoints, clock, events),
        plan_(options_.backOffMin, options_.backOffMax, clock),
        work_(asio::make_work_guard(context_)),
        timer_(context_),
        retryTimer_(context_),
        drainTimer_(context_),
        saver_(checkpoints, context_, clock, [this] { pump(); }) {}

  base::Status start();
  void stop();
  bool offer(SealedUnit& unit);
  template <typename Run>
  void post(Run&& run) {
    asio::post(context_, std::forward<Run>(run));
  }
  ShipperSession& session() { return session_; }
  void closeWindow() {
    window_.with([](FrameWindow& w) { w.close(); });
  }
  void pump();
  void connectIfIdle();
  void drain(base::Nanos within, std::function<void(bool)> done);
  ShipperCounters counters();

 private:
  void onUp(const ShipperConnection::Endpoint& peer) override;
  Outcome onMessage(const wire::MessageReader::Message& message) override;
  void onIdle() override { pump(); }
  void onDown(Outcome outcome) override;

  void connect();
  uint64_t ackedFrames() {
    return window_.with([](FrameWindow& w) { return w.counts().ackedFrames; });
  }
  void retryAfter(base::Nanos delay);
  void wakeBy(base::Nanos at);
  void tick();
  void finishDrain(bool complete);

  const ShipperOptions options_;
  CheckpointStore& checkpoints_;
  base::Clock& clock_;
  LockedWindow window_;
  ShipperSession session_;
  ReconnectPlan plan_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  asio::steady_timer timer_;
  asio::steady_timer retryTimer_;
  asio::steady_timer drainTimer_;
  CheckpointSaver saver_;
  std::thread thread_;
  std::vector<ShipperAddress> addresses_;
  ShipperConnection::Endpoint lastPeer_;
  std::shared_ptr<ShipperConnection> connection_;
  std::optional<base::Nanos> timerAt_;
  bool stopping_ = false;
  std::function<void(bool)> drained_;
  std::atomic<bool> wakePosted_{false};
  std::atomic<bool> connected_{false};
  std::atomic<uint64_t> connects_{0};
  std::atomic<uint64_t> failedAttempts_{0};
  std::atomic<uint64_t> sentBytes_{0};
};

base::Status Shipper::Impl::start() {
  for (const std::string& text : options_.aggregators) {
    auto address = parseShipperAddress(text);
    if (!address.ok()) return address.error();
    addresses_.push_back(std::move(*address));
  }
  if (addresses_.empty()) return {base::Errc::kFixInput, "aggregators: expected at least one"};
  if (options_.tls) {
    auto tried = makeTlsTransport(context_, *options_.tls, addresses_[0].host);
    if (!tried.ok()) return tried.error();
  }
  plan_.start(addresses_.size());
  post([this] { connectIfIdle(); });
  thread_ = std::thread([this] { context_.run(); });
  return {};
}

void Shipper::Impl::stop() {
  if (!thread_.joinable()) return;
  post([this] {
    stopping_ = true;
    if (connection_ != nullptr) connection_->close();
    connection_.reset();
    timer_.cancel();
    retryTimer_.cancel();
    drainTimer_.cancel();
    work_.reset();
    context_.stop();
  });
  thread_.join();
  connected_ = false;
  saver_.finish();
}

bool Shipper::Impl::offer(SealedUnit& unit) {
  bool gathering = false;
  const bool taken = window_.with([&](FrameWindow& w) {
    const bool offered = w.offer(std::move(unit));
    gathering = w.isGathering();
    return offered;
  });
  if (!taken) return false;
  if (!gathering && !wakePosted_.exchange(true)) {
    post([this] {
      wakePosted_ = false;
      pump();
    });
  }
  return true;
}

void Shipper::Impl::connectIfIdle() {
  if (connection_ == nullptr && !stopping_ && session_.mayConnect()) connect();
}

void Shipper::Impl::connect() {
  retryTimer_.cancel();
  const ShipperAddress& address = addresses_[plan_.address()];
  std::unique_ptr<ShipperTransport> transport;
  if (options_.tls) {
    auto made = makeTlsTransport(context_, *options_.tls, address.host);
    if (!made.ok()) {
      base::logError("event=tls_unusable error=\"" + made.message() + "\"");
      return retryAfter(plan_.down(Outcome::Kind::kRefused, false, ackedFrames()));
    }
    transport = std::move(*made);
  } else {
    transport = makeTcpTransport(context_);
  }
  connection_ =
      std::make_shared<ShipperConnection>(context_, *this, std::move(transport), sentBytes_);
  connection_->open(address.host, address.port, lastPeer_, options_.connectTimeout);
}

void Shipper::Impl::onUp(const ShipperConnection::Endpoint& peer) {
  lastPeer_ = peer;
  plan_.up(ackedFrames());
  session_.begin();
}

Outcome Shipper::Impl::onMessage(const wire::MessageReader::Message& message) {
  const bool wasOpen = session_.isOpen();
  Outcome outcome = session_.take(message);
  if (!wasOpen && session_.isOpen()) {
    ++connects_;
    connected_ = true;
    base::logInfo("event=connected aggregator=" + addresses_[plan_.address()].host + ":" +
                  addresses_[plan_.address()].port);
  }
  return outcome;
}

void Shipper::Impl::onDown(Outcome outcome) {
  const bool receipt = connection_->finished() && connection_->peerFinished();
  const bool wasOpen = session_.isOpen();
  connection_.reset();
  connected_ = false;
  session_.end();
  if (receipt && drained_) return finishDrain(true);
  if (!wasOpen) ++failedAttempts_;
  const bool loud =
      outcome.kind == Outcome::Kind::kRefused || outcome.kind == Outcome::Kind::kMalformed;
  base::log(loud ? base::LogLevel::kError : base::LogLevel::kWarn,
            "event=disconnected reason=\"" + outcome.text + "\"");
  retryAfter(plan_.down(outcome.kind, wasOpen, ackedFrames()));
}

void Shipper::Impl::retryAfter(base::Nanos delay) {
  if (stopping_) return;
  retryTimer_.expires_after(delay);
  retryTimer_.async_wait([this](const ErrorCode& error) {
    if (!error) connectIfIdle();
  });
}

void Shipper::Impl::pump() {
  if (stopping_) return;
  if (connection_ != nullptr && connection_->writable()) {
    std::string control = session_.control();
    FramePtr frame = session_.frame();
    if (!control.empty() || frame != nullptr) {
      connection_->write(std::move(control), std::move(frame));
    } else if (session_.saidEverything()) {
      connection_->finish();
    }
  }
  saver_.saveIfDue();
  base::Nanos at = base::Nanos::max();
  if (connection_ != nullptr) at = session_.wakeAt();
  if (const auto due = checkpoints_.dueAt()) at = std::min(at, *due);
  if (at != base::Nanos::max()) wakeBy(at);
}

// One timer for all; one that fires early only looks again.
void Shipper::Impl::wakeBy(base::Nanos at) {
  if (timerAt_ && *timerAt_ <= at) return;
  timerAt_ = at;
  timer_.expires_after(std::max(at - clock_.steady(), base::Nanos(0)));
  timer_.async_wait([this](const ErrorCode& error) {
    if (error) return;
    timerAt_.reset();
    tick();
  });
}

void Shipper::Impl::tick() {
  if (stopping_) return;
  if (connection_ != nullptr) {
    Outcome outcome = session_.tick();
    if (!outcome.ok()) connection_->fail(std::move(outcome));
  }
  pump();
}

void Shipper::Impl::drain(base::Nanos within, std::function<void(bool)> done) {
  drained_ = std::move(done);
  session_.drain();
  drainTimer_.expires_after(within);
  drainTimer_.async_wait([this](const ErrorCode& error) {
    if (!error && drained_) finishDrain(false);
  });
  tick();
}

void Shipper::Impl::finishDrain(bool complete) {
  drainTimer_.cancel();
  stopping_ = true;
  retryTimer_.cancel();
  timer_.cancel();
  if (connection_ != nullptr) {
    connection_->close();
    connection_.reset();
    session_.end();
  }
  connected_ = false;
  saver_.save([done = std::exchange(drained_, nullptr), complete] { done(complete); });
}

ShipperCounters Shipper::Impl::counters() {
  ShipperCounters counters;
  window_.with([&](FrameWindow& w) {
    counters.frames = w.counts();
    counters.heldBytes = w.heldBytes();
    counters.inFlightBytes = w.inFlightBytes();
    if (const auto oldest = w.oldestReadNanos()) {
      counters.oldestUnackedSeconds =
          std::max(0.0, static_cast<double>(clock_.wallNanos() - *oldest) / 1e9);
    }
  });
  counters.connects = connects_;
  counters.failedAttempts = failedAttempts_;
  counters.connected = connected_;
  counters.sentBytes = sentBytes_;
  const ShipperSession::Counts& counts = session_.counts();
  for (size_t i = 0; i < wire::kNackReasons; ++i) counters.nacks[i] = counts.nacks[i];
  counters.resets = counts.resets;
  counters.forbiddenBlocks = counts.forbiddenBlocks;
  counters.checkpointSaves = saver_.saves();
  counters.checkpointFailures = saver_.failures();
  return counters;
}

Shipper::Shipper(ShipperOptions options, CheckpointStore& checkpoints, base::Clock& clock,
                 ShipperEvents& events)
    : impl_(std::make_unique<Impl>(std::move(options), checkpoints, clock, events)) {}

Shipper::~Shipper() {
  stop();
}

base::Status Shipper::start() {
  return impl_->start();
}

void Shipper::stop() {
  impl_->stop();
}

bool Shipper::offer(SealedUnit& unit) {
  return impl_->offer(unit);
}

void Shipper::announce(const event::StreamDescription& description) {
  impl_->post([impl = impl_.get(), key = description.key(),
               bytes = encodeWithinLimit(description)]() mutable {
    impl->session().announce(key, std::move(bytes));
    impl->pump();
  });
}

void Shipper::end(const event::StreamKey& key) {
  impl_->post([impl = impl_.get(), key] {
    impl->session().endStream(key);
    impl->pump();
  });
}

void Shipper::resetDone() {
  impl_->post([impl = impl_.get()] {
    impl->session().resetDone();
    impl->connectIfIdle();
  });
}

void Shipper::sendStats(wire::Stats stats) {
  impl_->post([impl = impl_.get(), stats = std::move(stats)]() mutable {
    impl->session().sendStats(std::move(stats));
    impl->pump();
  });
}

void Shipper::drain(base::Nanos within, std::function<void(bool)> done) {
  impl_->closeWindow();
  impl_->post([impl = impl_.get(), within, done = std::move(done)]() mutable {
    impl->drain(within, std::move(done));
  });
}

ShipperCounters Shipper::counters() const {
  return impl_->counters();
}

}  // namespace logtail::agent
