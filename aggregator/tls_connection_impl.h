#pragma once
// Connection over TLS, its handshake behind it. Only tls_gate.cc includes it: it brings Asio along.
//
// Its executor is the stream's strand; every callback runs there. close() says close_notify where
// it still can, so that the peer knows the end for an end; it takes at most kFarewell and needs
// this object no more.

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio.hpp>

#include "aggregator/connection.h"
#include "common/net/tls_impl.h"

namespace logtail::aggregator {

class TlsConnection final : public Connection {
 public:
  using Error = boost::system::error_code;
  static constexpr std::chrono::seconds kFarewell{2};

  using Refused = std::function<void(const std::string& text)>;

  // `context` must be the stream's; `refused` hears of a HELLO for another node.
  TlsConnection(std::shared_ptr<net::TlsContext> context, std::shared_ptr<net::TlsStream> stream,
                std::string node, const std::string& address, Refused refused)
      : shared_(std::make_shared<Shared>(std::move(context), std::move(stream))),
        node_(std::move(node)),
        peer_(node_ + " at " + address),
        refused_(std::move(refused)) {}

  void read(std::array<std::span<char>, 2> into, ReadDone done) override {
    const std::array buffers{boost::asio::buffer(into[0].data(), into[0].size()),
                             boost::asio::buffer(into[1].data(), into[1].size())};
    shared_->stream->async_read_some(
        buffers, [shared = shared_, done = std::move(done)](Error error, size_t bytes) {
          if (error == boost::asio::error::eof) return done(ReadEnd::kEndOfFile, 0);
          if (error) shared->broken = true;
          done(error ? ReadEnd::kFailed : ReadEnd::kBytes, bytes);
        });
  }

  void write(std::string bytes, WriteDone done) override {
    auto held = std::make_unique<std::string>(std::move(bytes));
    const auto buffer = boost::asio::buffer(*held);
    shared_->writing = true;
    boost::asio::async_write(
        *shared_->stream, buffer,
        [shared = shared_, held = std::move(held), done = std::move(done)](Error error, size_t) {
          shared->writing = false;
          if (error) shared->broken = true;
          done(!error);
        });
  }

  void finishWriting() override {
    if (std::exchange(shared_->finished, true)) return;
    shared_->writing = true;
    net::sendCloseNotify(*shared_->stream, [shared = shared_](Error) { shared->writing = false; });
  }

  void close() override {
    if (std::exchange(closed_, true)) return;
    if (shared_->broken || shared_->finished || shared_->writing) return shared_->shut();
    auto limit = std::make_shared<boost::asio::steady_timer>(shared_->stream->get_executor());
    limit->expires_after(kFarewell);
    limit->async_wait([shared = shared_, limit](Error error) {
      if (!error) shared->shut();
    });
    net::sendCloseNotify(*shared_->stream, [shared = shared_, limit](Error) {
      limit->cancel();
      shared->shut();
    });
  }

  void post(std::function<void()> task) override {
    boost::asio::post(shared_->stream->get_executor(), std::move(task));
  }
  std::string peer() const override { return peer_; }
  std::optional<std::string> provenNode() const override { return node_; }
  void onOtherNode(const std::string& text) override { refused_(text); }

 private:
  // What handlers hold: it lives until the last of them ran.
  struct Shared {
    Shared(std::shared_ptr<net::TlsContext> c, std::shared_ptr<net::TlsStream> s)
        : context(std::move(c)), stream(std::move(s)) {}
    void shut() {
      Error ignored;
      stream->next_layer().close(ignored);
    }

    const std::shared_ptr<net::TlsContext> context;
    const std::shared_ptr<net::TlsStream> stream;
    bool writing = false;
    bool finished = false;
    bool broken = false;
  };

  const std::shared_ptr<Shared> shared_;
  const std::string node_;
  const std::string peer_;
  const Refused refused_;
  bool closed_ = false;
};

}  // namespace logtail::aggregator
