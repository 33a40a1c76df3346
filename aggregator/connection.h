#pragma once
// A byte connection to an agent as AgentSession sees it: TCP, or TLS behind the same interface.
//
// Owned by its session. All callbacks run on the connection's own executor, one at a time; post()
// may be called from any thread, the rest from that executor only. Failure: read and write end with
// what they could do, and the session closes.

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace logtail::aggregator {

class Connection {
 public:
  enum class ReadEnd : uint8_t { kBytes, kEndOfFile, kFailed };
  using ReadDone = std::function<void(ReadEnd end, size_t bytes)>;
  using WriteDone = std::function<void(bool ok)>;

  virtual ~Connection() = default;
  // At least one byte into the spans, in their order. One read at a time; the memory must live.
  virtual void read(std::array<std::span<char>, 2> into, ReadDone done) = 0;
  // All of `bytes`. One write at a time.
  virtual void write(std::string bytes, WriteDone done) = 0;
  virtual void finishWriting() = 0;  // half-close: the peer reads to an end of file
  virtual void close() = 0;          // pending callbacks end with a failure
  virtual void post(std::function<void()> task) = 0;

  virtual std::string peer() const = 0;
  // The node's name from the peer's certificate; nothing when the transport proves none.
  virtual std::optional<std::string> provenNode() const = 0;
  // The session takes nobody for another node than the proven one; `text` says who claimed what.
  virtual void onOtherNode(const std::string& text) = 0;
};

}  // namespace logtail::aggregator
