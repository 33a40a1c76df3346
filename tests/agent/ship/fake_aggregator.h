#pragma once
// An aggregator played by the test, message by message, over a real loopback connection: for the
// faults that a real one will not show on demand. Blocking, in the test's thread; what does not
// come within the patience is a failure, so that a broken shipper ends the test and does not hang
// it.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "common/wire/message_reader.h"
#include "common/wire/messages.h"

namespace logtail::agent {

struct Received {
  wire::MessageType type = wire::MessageType::kPing;
  std::string payload;    // of a FRAME: its units
  wire::FrameHead frame;  // of a FRAME
};

class FakePeer {
 public:
  explicit FakePeer(int fd) : fd_(fd) {
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  FakePeer(FakePeer&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {
    reader_ = std::move(other.reader_);
  }
  ~FakePeer() { close(); }

  template <typename T>
  void send(const T& message) {
    std::string bytes;
    encode(message, bytes);
    sendRaw(bytes);
  }
  void sendRaw(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;  // the shipper closed: the test's expectations say so
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  // The next message; none at the end of the connection.
  std::optional<Received> receive() {
    for (;;) {
      auto step = reader_->next();
      if (!step.ok()) {
        ADD_FAILURE() << step.message();
        return std::nullopt;
      }
      switch (*step) {
        case wire::MessageReader::Step::kMessage:
          return Received{reader_->message().type, std::string(reader_->message().payload), {}};
        case wire::MessageReader::Step::kFrame:
          units_.assign(reader_->frame().bytes, '\0');
          reader_->receiveFrame(units_.data());
          break;
        case wire::MessageReader::Step::kFrameDone:
          return Received{wire::MessageType::kFrame, units_, reader_->frame()};
        case wire::MessageReader::Step::kNeedMore:
          if (!readMore()) return std::nullopt;
      }
    }
  }
  Received expect(wire::MessageType type) {
    auto message = receive();
    if (!message) {
      ADD_FAILURE() << "the connection ended, expected " << wire::name(type);
      return {};
    }
    EXPECT_EQ(wire::name(message->type), std::string(wire::name(type)));
    return *message;
  }
  wire::Hello expectHello() {
    auto hello = wire::decodeHello(expect(wire::MessageType::kHello).payload);
    EXPECT_TRUE(hello.ok());
    return hello.ok() ? *hello : wire::Hello();
  }
  wire::StreamOpen expectStream() {
    auto stream = wire::decodeStream(expect(wire::MessageType::kStream).payload);
    EXPECT_TRUE(stream.ok());
    return stream.ok() ? *stream : wire::StreamOpen();
  }
  Received expectFrame(uint64_t sequence) {
    Received frame = expect(wire::MessageType::kFrame);
    EXPECT_EQ(frame.frame.sequence, sequence);
    return frame;
  }
  void expectEnd() {
    const auto message = receive();
    EXPECT_EQ(message, std::nullopt) << wire::name(message->type);
  }

  // HELLO, HELLO_OK.
  wire::Hello welcome(uint64_t queueId, uint64_t acked = 0, uint32_t window = 8 << 20) {
    const wire::Hello hello = expectHello();
    wire::HelloOk ok;
    ok.queueId = queueId;
    ok.ackedSequence = acked;
    ok.windowBytes = window;
    send(ok);
    return hello;
  }
  // STREAM, STREAM_OK.
  wire::StreamOpen answerStream(wire::StreamStatus status, event::Resume resume = {}) {
    const wire::StreamOpen stream = expectStream();
    send(wire::StreamOk{stream.key, status, std::move(resume)});
    return stream;
  }

 private:
  bool readMore() {
    const auto spans = reader_->buffers();
    const iovec parts[2] = {{spans[0].data(), spans[0].size()}, {spans[1].data(), spans[1].size()}};
    const ssize_t n = ::readv(fd_, parts, 2);
    if (n < 0 && errno == EAGAIN) ADD_FAILURE() << "nothing came in 20 s";
    if (n <= 0) return false;
    reader_->commit(static_cast<size_t>(n));
    return true;
  }

  int fd_;
  std::unique_ptr<wire::MessageReader> reader_ = std::make_unique<wire::MessageReader>();
  std::string units_;
};

class FakeAggregator {
 public:
  FakeAggregator() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, 16), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    const timeval patience{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  ~FakeAggregator() { stopListening(); }

  const std::string& address() const { return address_; }
  FakePeer accept() {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    EXPECT_GE(fd, 0) << "nobody connected in 20 s";
    return FakePeer(fd);
  }
  void stopListening() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
  std::string address_;
};

}  // namespace logtail::agent
