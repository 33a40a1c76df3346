#pragma once
// An agent that does what the test says, over a real socket, whether it is right or wrong.
// Reads wait at most kPatience: only a failing test gets there.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <span>
#include <string>

#include "common/event/stream.h"
#include "common/wire/message_reader.h"
#include "common/wire/messages.h"

namespace logtail::aggregator {

class ScriptedAgent {
 public:
  static constexpr int kPatienceSeconds = 20;

  explicit ScriptedAgent(uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{kPatienceSeconds, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  virtual ~ScriptedAgent() { breakOff(); }
  ScriptedAgent(const ScriptedAgent&) = delete;
  ScriptedAgent& operator=(const ScriptedAgent&) = delete;

  void breakOff() {
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
  }
  virtual void halfClose() { ::shutdown(socket_, SHUT_WR); }

  void sendBytes(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = sendSome(bytes);
      if (sent <= 0) return;  // the aggregator closed: the test sees it when it reads
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
  }
  template <typename Message>
  void say(const Message& message) {
    std::string bytes;
    wire::encode(message, bytes);
    sendBytes(bytes);
  }

  static std::string frameBytes(uint64_t sequence, std::string_view units, uint32_t count = 1) {
    std::string bytes(wire::kFramePrefixBytes, '\0');
    wire::storeFramePrefix({sequence, count, static_cast<uint32_t>(units.size())}, bytes.data());
    bytes.append(units);
    return bytes;
  }
  void frame(uint64_t sequence, std::string_view units, uint32_t count = 1) {
    sendBytes(frameBytes(sequence, units, count));
  }

  // The next message, which must be of this type; an aggregator's PING is passed over.
  template <typename Decode>
  auto expect(wire::MessageType type, Decode decode) {
    using Message = std::remove_cvref_t<decltype(*decode(std::string_view()))>;
    do {
      if (!next()) {
        ADD_FAILURE() << "the connection ended, " << wire::name(type) << " was expected";
        return Message{};
      }
    } while (reader_.message().type == wire::MessageType::kPing);
    EXPECT_EQ(wire::name(reader_.message().type), wire::name(type)) << lastText();
    if (reader_.message().type != type) return Message{};
    auto message = decode(reader_.message().payload);
    EXPECT_TRUE(message.ok());
    return message.ok() ? *message : Message{};
  }

  wire::HelloOk hello(const std::string& node, uint64_t life, uint64_t next = 1) {
    sayHello(node, life, next);
    return expect(wire::MessageType::kHelloOk, wire::decodeHelloOk);
  }
  void sayHello(const std::string& node, uint64_t life, uint64_t next = 1) {
    wire::Hello hello;
    hello.life = life;
    hello.nextSequence = next;
    hello.cluster = "test";
    hello.node = node;
    hello.agentVersion = "scripted";
    say(hello);
  }
  wire::StreamOk stream(const event::StreamDescription& description,
                        std::optional<wire::StreamCheckpoint> checkpoint = {}) {
    wire::StreamOpen open;
    open.key = description.key();
    event::encode(description, open.description);
    open.checkpoint = std::move(checkpoint);
    say(open);
    return expect(wire::MessageType::kStreamOk, wire::decodeStreamOk);
  }
  // Reads ACKs until one covers `sequence`.
  wire::Ack ack(uint64_t sequence) {
    for (;;) {
      const wire::Ack ack = expect(wire::MessageType::kAck, wire::decodeAck);
      if (ack.sequence >= sequence || testing::Test::HasFailure()) return ack;
    }
  }
  wire::Nack nack() { return expect(wire::MessageType::kNack, wire::decodeNack); }
  wire::ErrorMessage error() { return expect(wire::MessageType::kError, wire::decodeError); }

  // Whether the aggregator closes without another message.
  bool ends() {
    while (next()) {
      if (reader_.message().type != wire::MessageType::kPing) return false;
    }
    return true;
  }

  const auto& message() const { return reader_.message(); }
  // False at the end of the connection.
  bool next() {
    for (;;) {
      const auto step = reader_.next();
      EXPECT_TRUE(step.ok());
      if (!step.ok()) return false;
      if (*step == wire::MessageReader::Step::kMessage) return true;
      const auto buffers = reader_.buffers();
      errno = 0;
      const ssize_t bytes = receiveSome(buffers[0]);
      EXPECT_NE(errno, EAGAIN) << "neither a message nor the end within the patience";
      if (bytes <= 0) return false;
      reader_.commit(static_cast<size_t>(bytes));
    }
  }

 protected:
  virtual ssize_t sendSome(std::string_view bytes) {
    return ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  virtual ssize_t receiveSome(std::span<char> into) {
    return ::recv(socket_, into.data(), into.size(), 0);
  }
  int socket() const { return socket_; }

 private:
  std::string lastText() const {
    if (reader_.message().type != wire::MessageType::kError) return "";
    const auto error = wire::decodeError(reader_.message().payload);
    return error.ok() ? error->text : "";
  }

  int socket_;
  wire::MessageReader reader_;
};

}  // namespace logtail::aggregator
