#include "aggregator/receiver.h"

#include <boost/asio.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "aggregator/tcp_connection_impl.h"
#include "aggregator/tls_gate_impl.h"
#include "common/base/log.h"

namespace logtail::aggregator {
namespace {

using Tcp = boost::asio::ip::tcp;
constexpr auto kTick = std::chrono::milliseconds(200);

}  // namespace

struct Receiver::Impl {
  Impl(Options o, Intake& i, base::MemoryBudget& b, const base::Clock& c, IntakeMetrics& m)
      : options(std::move(o)), intake(i), budget(b), clock(c), metrics(m) {}

  void accept() {
    acceptor.async_accept(
        boost::asio::make_strand(io), [this](boost::system::error_code error, Tcp::socket socket) {
          if (stopping) return;
          if (error) {
            base::logWarn("accept: " + error.message());
            retry.expires_after(kTick);  // out of descriptors: others must close first
            retry.async_wait([this](boost::system::error_code e) {
              if (!e && !stopping) accept();
            });
            return;
          }
          begin(std::move(socket));
          accept();
        });
  }

  void begin(Tcp::socket socket) {
    {
      const std::lock_guard lock(mutex);
      if (refuses()) return;  // the socket closes
    }
    boost::system::error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    if (gate != nullptr) return gate->admit(std::move(socket));
    auto strand = socket.get_executor();
    open(std::make_unique<TcpConnection>(std::move(socket)), strand);
  }

  bool refuses() {  // under the mutex
    if (sessions.size() < options.connections) return stopping;
    metrics.connectionsRefused.add();
    return true;
  }

  void open(std::unique_ptr<Connection> connection, const Tcp::socket::executor_type& strand) {
    const std::lock_guard lock(mutex);
    if (refuses()) return;
    auto slot = std::make_shared<std::weak_ptr<AgentSession>>();
    auto session =
        std::make_shared<AgentSession>(std::move(connection), intake, budget, clock, metrics,
                                       options.session, [this, slot] { ended(slot->lock()); });
    *slot = session;
    sessions.emplace(session, strand);
    metrics.connections.set(static_cast<double>(sessions.size()));
    boost::asio::post(strand, [session] { session->start(); });
  }

  void ended(const std::shared_ptr<AgentSession>& session) {
    const std::lock_guard lock(mutex);
    sessions.erase(session);
    metrics.connections.set(static_cast<double>(sessions.size()));
    if (sessions.empty()) empty.notify_all();
  }

  void tick() {
    timer.expires_after(kTick);
    timer.async_wait([this](boost::system::error_code error) {
      if (error) return;
      {
        const std::lock_guard lock(mutex);
        for (const auto& [session, strand] : sessions) {
          boost::asio::post(strand, [session = session] { session->tick(); });
        }
      }
      if (gate != nullptr) gate->tick();
      tick();
    });
  }

  base::Status prepareTls() {
    if (options.tlsDirectory.empty()) return {};
    TlsGate::Options tls;
    tls.directory = options.tlsDirectory;
    tls.pending = std::max<size_t>(options.pendingHandshakes, 1);
    gate = std::make_unique<TlsGate>(
        std::move(tls), clock, metrics,
        [this](auto connection, const auto& strand) { open(std::move(connection), strand); });
    const base::Status status = gate->load();
    if (!status.ok()) return {status.code(), "tls.dir: " + status.message()};
    return {};
  }

  base::Status listen() {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(options.host, error);
    const std::string where = options.host + ":" + std::to_string(options.port);
    if (error) return {base::Errc::kFixInput, "listen: '" + where + "' is no address"};
    const Tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(Tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) return {base::Errc::kFixInput, "listen on " + where + ": " + error.message()};
    bound = acceptor.local_endpoint(error).port();
    return {};
  }

  const Options options;
  Intake& intake;
  base::MemoryBudget& budget;
  const base::Clock& clock;
  IntakeMetrics& metrics;

  boost::asio::io_context io;
  Tcp::acceptor acceptor{io};
  boost::asio::steady_timer timer{io};
  boost::asio::steady_timer retry{io};
  std::unique_ptr<TlsGate> gate;  // none without TLS
  std::atomic<bool> stopping{false};
  std::atomic<uint16_t> bound{0};
  std::mutex mutex;
  std::condition_variable empty;
  std::unordered_map<std::shared_ptr<AgentSession>, Tcp::socket::executor_type> sessions;
  std::vector<std::thread> threads;
};

Receiver::Receiver(Options options, Intake& intake, base::MemoryBudget& budget,
                   const base::Clock& clock, IntakeMetrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), intake, budget, clock, metrics)) {}

Receiver::~Receiver() {
  stop(std::chrono::milliseconds(0));
}

base::Status Receiver::start() {
  LOGTAIL_TRY(impl_->prepareTls());
  LOGTAIL_TRY(impl_->listen());
  impl_->accept();
  impl_->tick();
  for (size_t i = 0; i < std::max<size_t>(impl_->options.threads, 1); ++i) {
    impl_->threads.emplace_back([this] { impl_->io.run(); });
  }
  return {};
}

uint16_t Receiver::port() const {
  return impl_->bound;
}

void Receiver::stop(std::chrono::milliseconds bound) {
  if (impl_->threads.empty()) return;
  impl_->stopping = true;
  boost::asio::post(impl_->io, [this] {
    boost::system::error_code ignored;
    impl_->acceptor.close(ignored);
  });
  {
    std::unique_lock lock(impl_->mutex);
    for (const auto& [session, strand] : impl_->sessions) session->drain();
    impl_->empty.wait_for(lock, bound, [this] { return impl_->sessions.empty(); });
  }
  impl_->io.stop();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
}

}  // namespace logtail::aggregator
