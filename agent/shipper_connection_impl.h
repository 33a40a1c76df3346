#pragma once
// One connection to one aggregator, from its name to its end. Private to the shipper's .cc files.
//
// Owned by Shipper and by the handlers under way; an owner hears nothing after close() or onDown().
// Thread: the network thread.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "agent/shipper_session.h"
#include "agent/shipper_transport_impl.h"
#include "common/wire/message_reader.h"

namespace logtail::agent {

struct ShipperAddress {
  std::string host;
  std::string port;
};
// kFixInput unless it is host:port or [IPv6]:port.
base::Result<ShipperAddress> parseShipperAddress(const std::string& text);

class ShipperConnection final : public std::enable_shared_from_this<ShipperConnection> {
 public:
  using Endpoint = boost::asio::ip::tcp::endpoint;

  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void onUp(const Endpoint& peer) = 0;
    virtual Outcome onMessage(const wire::MessageReader::Message& message) = 0;
    virtual void onIdle() = 0;                 // time to write: something came in or went out
    virtual void onDown(Outcome outcome) = 0;  // the end, once
  };

  ShipperConnection(boost::asio::io_context& context, Owner& owner,
                    std::unique_ptr<ShipperTransport> transport, std::atomic<uint64_t>& sentBytes);

  // `preferred` is tried first when the name still has it.
  void open(const std::string& host, const std::string& port, const Endpoint& preferred,
            base::Nanos timeLimit);
  bool writable() const { return up_ && !writing_ && !closed_ && !finished_; }
  // Control bytes, then the frame; either may be empty. Only when writable().
  void write(std::string control, FramePtr frame);
  void finish();
  bool finished() const { return finished_; }
  bool peerFinished() const { return peerFinished_; }  // it closed in order
  void fail(Outcome outcome);  // tells the aggregator if it may want to know, closes, onDown()
  void close();

 private:
  using ErrorCode = ShipperTransport::ErrorCode;

  void connect(const boost::asio::ip::tcp::resolver::results_type& found,
               const Endpoint& preferred);
  void connected();
  void read();
  void handleRead(const ErrorCode& error, size_t bytes);
  void sayFarewell(const std::string& text);

  Owner& owner_;
  std::unique_ptr<ShipperTransport> transport_;
  std::atomic<uint64_t>& sentBytes_;
  boost::asio::ip::tcp::resolver resolver_;
  boost::asio::steady_timer limit_;
  wire::MessageReader reader_;
  std::string control_;  // being written
  FramePtr frame_;
  bool up_ = false;
  bool writing_ = false;
  bool finished_ = false;
  bool peerFinished_ = false;
  bool closed_ = false;
};

}  // namespace logtail::agent
