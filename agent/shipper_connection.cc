#include <algorithm>
#include <boost/asio/connect.hpp>

#include "agent/shipper_connection_impl.h"

namespace logtail::agent {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

}  // namespace

base::Result<ShipperAddress> parseShipperAddress(const std::string& text) {
  const size_t colon = text.rfind(':');
  ShipperAddress address;
  if (colon != std::string::npos) {
    address = {text.substr(0, colon), text.substr(colon + 1)};
    if (address.host.starts_with('[') && address.host.ends_with(']')) {
      address.host = address.host.substr(1, address.host.size() - 2);
    } else if (address.host.find(':') != std::string::npos) {
      address.host.clear();
    }
  }
  const bool digits = !address.port.empty() && address.port.size() <= 5 &&
                      address.port.find_first_not_of("0123456789") == std::string::npos;
  if (address.host.empty() || !digits || std::stoul(address.port) > 65535) {
    return base::Error{base::Errc::kFixInput,
                       "aggregators: \"" + text + "\": expected host:port or [IPv6]:port"};
  }
  return address;
}

ShipperConnection::ShipperConnection(asio::io_context& context, Owner& owner,
                                     std::unique_ptr<ShipperTransport> transport,
                                     std::atomic<uint64_t>& sentBytes)
    : owner_(owner),
      transport_(std::move(transport)),
      sentBytes_(sentBytes),
      resolver_(context),
      limit_(context) {}

void ShipperConnection::open(const std::string& host, const std::string& port,
                             const Endpoint& preferred, base::Nanos timeLimit) {
  auto self = shared_from_this();
  limit_.expires_after(timeLimit);
  limit_.async_wait([self](const ErrorCode& error) {
    if (!error) self->fail({Outcome::Kind::kBackOff, "no connection within the time limit"});
  });
  resolver_.async_resolve(
      host, port,
      [self, preferred](const ErrorCode& error, const tcp::resolver::results_type& found) {
        if (self->closed_) return;
        if (error) return self->fail({Outcome::Kind::kBackOff, "resolve: " + error.message()});
        self->connect(found, preferred);
      });
}

void ShipperConnection::connect(const tcp::resolver::results_type& found,
                                const Endpoint& preferred) {
  auto endpoints = std::make_shared<std::vector<Endpoint>>();
  for (const auto& entry : found) endpoints->push_back(entry.endpoint());
  std::stable_partition(endpoints->begin(), endpoints->end(),
                        [&](const Endpoint& endpoint) { return endpoint == preferred; });
  auto self = shared_from_this();
  asio::async_connect(
      transport_->socket(), *endpoints, [self, endpoints](const ErrorCode& error, const Endpoint&) {
        if (self->closed_) return;
        if (error) {
          return self->fail({Outcome::Kind::kBackOff, "connect: " + error.message()});
        }
        self->connected();
      });
}

void ShipperConnection::connected() {
  ErrorCode ignored;  // slower, not wrong, without it
  transport_->socket().set_option(tcp::no_delay(true), ignored);
  transport_->handshake([self = shared_from_this()](const ErrorCode& error, size_t) {
    if (self->closed_) return;
    if (error)
      return self->fail(
          {Outcome::Kind::kBackOff, "TLS handshake: " + self->transport_->textOf(error)});
    self->limit_.cancel();
    self->up_ = true;
    ErrorCode unknown;
    self->owner_.onUp(self->transport_->socket().remote_endpoint(unknown));
    self->read();
    self->owner_.onIdle();
  });
}

void ShipperConnection::read() {
  const auto spans = reader_.buffers();
  transport_->read({asio::buffer(spans[0].data(), spans[0].size()),
                    asio::buffer(spans[1].data(), spans[1].size())},
                   [self = shared_from_this()](const ErrorCode& error, size_t bytes) {
                     self->handleRead(error, bytes);
                   });
}

void ShipperConnection::handleRead(const ErrorCode& error, size_t bytes) {
  if (closed_) return;
  if (error) {
    peerFinished_ = error == asio::error::eof;
    return fail({Outcome::Kind::kBackOff, peerFinished_ ? "the aggregator closed the connection"
                                                        : "read: " + transport_->textOf(error)});
  }
  reader_.commit(bytes);
  for (;;) {
    const auto step = reader_.next();
    if (!step.ok()) return fail({Outcome::Kind::kMalformed, step.message()});
    if (*step == wire::MessageReader::Step::kNeedMore) break;
    Outcome outcome = *step == wire::MessageReader::Step::kMessage
                          ? owner_.onMessage(reader_.message())
                          : Outcome{Outcome::Kind::kMalformed, "FRAME from the aggregator"};
    if (closed_) return;
    if (!outcome.ok()) return fail(std::move(outcome));
  }
  read();
  owner_.onIdle();
}

void ShipperConnection::write(std::string control, FramePtr frame) {
  LOGTAIL_ASSERT(writable());
  writing_ = true;
  control_ = std::move(control);
  frame_ = std::move(frame);
  std::vector<asio::const_buffer> buffers;
  if (!control_.empty()) buffers.push_back(asio::buffer(control_));
  if (frame_ != nullptr) {
    buffers.reserve(frame_->units.size() + 2);
    buffers.push_back(asio::buffer(frame_->prefix));
    for (const SealedUnit& unit : frame_->units) buffers.push_back(asio::buffer(unit.bytes));
  }
  transport_->write(buffers, [self = shared_from_this()](const ErrorCode& error, size_t bytes) {
    self->writing_ = false;
    self->frame_.reset();
    self->sentBytes_ += bytes;
    if (self->closed_) return;
    if (error)
      return self->fail({Outcome::Kind::kBackOff, "write: " + self->transport_->textOf(error)});
    self->owner_.onIdle();
  });
}

void ShipperConnection::finish() {
  LOGTAIL_ASSERT(writable());
  finished_ = true;
  transport_->finish(shared_from_this());
}

void ShipperConnection::fail(Outcome outcome) {
  if (closed_) return;
  if (outcome.kind == Outcome::Kind::kMalformed && writable()) {
    sayFarewell(outcome.text);
    closed_ = true;
    limit_.cancel();
  } else {
    close();
  }
  owner_.onDown(std::move(outcome));
}

// Best effort: the connection closes as soon as the text is on its way.
void ShipperConnection::sayFarewell(const std::string& text) {
  control_.clear();
  encode(wire::ErrorMessage{wire::ErrorCode::kMalformed, text}, control_);
  writing_ = true;
  transport_->write(
      {asio::buffer(control_)},
      [self = shared_from_this()](const ErrorCode&, size_t) { self->transport_->close(); });
}

void ShipperConnection::close() {
  closed_ = true;
  limit_.cancel();
  resolver_.cancel();
  transport_->close();
}

}  // namespace logtail::agent
