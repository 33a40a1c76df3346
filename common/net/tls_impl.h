#pragma once
// TLS as both sides of the wire speak it, with Asio and OpenSSL: for .cc files only.
//
// 1.2 or later, 1.3 when both can; authenticated ciphers with forward secrecy; the peer's
// certificate must come from ca.crt. No session is resumed, so that every connection is checked
// against the authority of its moment. Any thread; a stream belongs to its executor.

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <functional>
#include <memory>
#include <string>

#include "common/net/tls.h"

namespace logtail::net {

using TlsContext = boost::asio::ssl::context;
using TlsStream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

// A context may serve many streams and must outlive them.
base::Result<std::shared_ptr<TlsContext>> makeTlsContext(const TlsFiles& files, TlsSide side);

// When the context's own certificate ends, in seconds since the Unix epoch.
int64_t certificateEnd(TlsContext& context);

// Says that nothing more will be written (close_notify) and leaves reading as it is. Asio's own
// shutdown would also wait for the peer's, and fail on data that is still to come. No write may be
// under way, nor follow.
void sendCloseNotify(TlsStream& stream, std::function<void(const boost::system::error_code&)> done);

// Of a client: the server's certificate must be good for this name or address.
base::Status expectServerName(TlsStream& stream, const std::string& name);

// An error of a handshake, a read or a write, in words that say what to look at.
std::string tlsErrorText(const boost::system::error_code& error, TlsStream& stream);

// Whether the peer's first bytes were no TLS at all.
bool isNoTls(const boost::system::error_code& error);

}  // namespace logtail::net
