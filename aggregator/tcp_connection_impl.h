#pragma once
// Connection over plain TCP. Only receiver.cc includes it: it brings Asio along.
// Its executor is the socket's strand; every callback runs there.

#include <array>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio.hpp>

#include "aggregator/connection.h"

namespace logtail::aggregator {

class TcpConnection final : public Connection {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Error = boost::system::error_code;

  explicit TcpConnection(Socket socket) : socket_(std::move(socket)) {
    Error error;
    const auto endpoint = socket_.remote_endpoint(error);
    if (!error) peer_ = endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
  }

  void read(std::array<std::span<char>, 2> into, ReadDone done) override {
    const std::array buffers{boost::asio::buffer(into[0].data(), into[0].size()),
                             boost::asio::buffer(into[1].data(), into[1].size())};
    socket_.async_read_some(buffers, [done = std::move(done)](Error error, size_t bytes) {
      if (error == boost::asio::error::eof) return done(ReadEnd::kEndOfFile, 0);
      done(error ? ReadEnd::kFailed : ReadEnd::kBytes, bytes);
    });
  }

  void write(std::string bytes, WriteDone done) override {
    auto held = std::make_unique<std::string>(std::move(bytes));
    const auto buffer = boost::asio::buffer(*held);
    boost::asio::async_write(
        socket_, buffer,
        [held = std::move(held), done = std::move(done)](Error error, size_t) { done(!error); });
  }

  void finishWriting() override {
    Error ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
  }
  void close() override {
    Error ignored;
    socket_.close(ignored);
  }
  void post(std::function<void()> task) override {
    boost::asio::post(socket_.get_executor(), std::move(task));
  }
  std::string peer() const override { return peer_; }
  std::optional<std::string> provenNode() const override { return std::nullopt; }
  void onOtherNode(const std::string&) override {}  // none is proven

 private:
  Socket socket_;
  std::string peer_ = "unknown";
};

}  // namespace logtail::aggregator
