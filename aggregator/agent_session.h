#pragma once
// One agent's connection: the aggregator's side of docs/wire-format.md, "Conversation".
//
// Flow: Connection -> MessageReader -> AgentSession -> Intake -> (durable) -> ACK. Shared: the
// receiver, the connection's callbacks and the node's link hold it; Intake, budget and metrics must
// outlive it. Thread: the connection's executor; LinkOwner's calls come from any and are posted.
// Failure: what a peer may not send is answered with ERROR and ends the session; other sessions
// notice nothing.

#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "aggregator/connection.h"
#include "aggregator/intake.h"
#include "common/wire/message_reader.h"

namespace logtail::aggregator {

class AgentSession final : public LinkOwner, public std::enable_shared_from_this<AgentSession> {
 public:
  struct Options {
    std::chrono::milliseconds hello{10'000};  // to say HELLO
    std::chrono::milliseconds idle{30'000};   // without a message
    std::chrono::milliseconds ping{10'000};   // then we ask
    std::chrono::milliseconds write{30'000};  // for a peer to take what it is sent
    std::chrono::milliseconds linger{2'000};  // for a peer to close after ERROR
    size_t maxOutput = 1024 * 1024;           // waiting for a slow peer; beyond it we stop reading
    size_t maxLater = 1000;                   // messages that wait for room in the queue
  };
  // `closed` is called once, at the end.
  AgentSession(std::unique_ptr<Connection> connection, Intake& intake, base::MemoryBudget& budget,
               const base::Clock& clock, IntakeMetrics& metrics, Options options,
               std::function<void()> closed);
  ~AgentSession() override;

  void start();
  void tick();   // a few times a second, on the executor
  void drain();  // reads no more; acknowledges what is taken, says so, closes. Any thread.

  void durableMoved() override;
  void fenced() override;
  void intakeStopped() override;

 private:
  enum class State : uint8_t { kHello, kWaiting, kReady, kFinishing, kClosing, kClosed };
  using Step = wire::MessageReader::Step;

  void read();
  void onRead(Connection::ReadEnd end, size_t bytes);
  void process();
  base::Status onMessage();
  base::Status onFrameHead();
  base::Status onFrameDone();
  base::Status onHello(std::string_view payload);
  void onAttached(base::Result<Intake::Attached> attached);
  base::Status onStream(std::string_view payload);
  base::Status onStreamEnd(std::string_view payload);
  base::Status onStats(std::string_view payload);
  base::Status tryOrLater(std::function<base::Status()> attempt);
  void onEndOfFile();

  void nack(const wire::Nack& nack);
  void sendAck();
  template <typename Message>
  void send(const Message& message);
  void flush();
  void fail(wire::ErrorCode code, const std::string& text);
  void finish();  // closes once all that was taken is durable and told
  void close();

  const std::unique_ptr<Connection> connection_;
  Intake& intake_;
  base::MemoryBudget& budget_;
  const base::Clock& clock_;
  IntakeMetrics& metrics_;
  const Options options_;
  std::function<void()> closed_;

  wire::MessageReader reader_;
  State state_ = State::kHello;
  Intake::Attached attached_;
  uint64_t nextFrame_ = 1;   // the only one that is taken now
  bool discarding_ = false;  // after a NACK, until nextFrame_ comes again
  uint64_t acked_ = 0;
  bool readPending_ = false;
  bool inProcess_ = false;
  bool draining_ = false;
  bool quiet_ = false;  // kFinishing: nothing is under way any more

  std::shared_ptr<FrameBuffer> buffer_;  // of the frame that is being received
  const std::shared_ptr<std::atomic<uint64_t>> window_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::vector<event::UnitView> units_;

  std::array<char, 4096> ignored_;  // kClosing: what still comes
  std::string output_;
  bool writing_ = false;
  bool lastWrite_ = false;  // half-close behind what is in output_
  std::deque<std::function<base::Status()>> later_;
  std::atomic<bool> ackPosted_{false};
  base::Nanos lastRead_;
  base::Nanos lastPing_{};
  base::Nanos writeBegan_{};
  base::Nanos closeAt_{};
};

}  // namespace logtail::aggregator
