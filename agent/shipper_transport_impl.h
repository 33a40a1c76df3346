#pragma once
// The bytes' way to the aggregator: TCP, or TLS over it. Private to the shipper's .cc files.
//
// Handlers run on the network thread, also after close(), then with an error. Buffers live until
// their handler ran. Failure: an error code in the handler; the transport is of no more use then.

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/shipper.h"

namespace logtail::agent {

class ShipperTransport {
 public:
  using ErrorCode = boost::system::error_code;
  using Handler = std::function<void(const ErrorCode&, size_t bytes)>;

  virtual ~ShipperTransport() = default;
  virtual boost::asio::ip::tcp::socket& socket() = 0;
  // After the connection: TLS's handshake, nothing for TCP.
  virtual void handshake(Handler done) = 0;
  virtual void read(const std::array<boost::asio::mutable_buffer, 2>& into, Handler done) = 0;
  // All of `buffers`.
  virtual void write(const std::vector<boost::asio::const_buffer>& buffers, Handler done) = 0;
  // Says that nothing more will be written; reading goes on to the peer's end of file. `keep` holds
  // what must live until that is said.
  virtual void finish(std::shared_ptr<void> keep) = 0;
  // An error of this transport, for a person.
  virtual std::string textOf(const ErrorCode& error) { return error.message(); }
  void close();
};

std::unique_ptr<ShipperTransport> makeTcpTransport(boost::asio::io_context& context);
// kFixInput when a file is absent or no certificate; `host` is checked unless the options name
// another.
base::Result<std::unique_ptr<ShipperTransport>> makeTlsTransport(boost::asio::io_context& context,
                                                                 const ShipperTls& options,
                                                                 const std::string& host);

}  // namespace logtail::agent
