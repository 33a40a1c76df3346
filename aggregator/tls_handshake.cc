#include <boost/asio/write.hpp>

#include <openssl/err.h>

#include <algorithm>

#include "aggregator/tls_handshake_impl.h"
#include "common/net/certified_node.h"
#include "common/wire/messages.h"

namespace logtail::aggregator {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

constexpr char kHandshakeRecord = 0x16;
constexpr char kPlainText[] =
    "this aggregator speaks TLS only: set tls.dir in the agent's configuration";

TlsFailure whyUnverified(long result) {
  const bool time =
      result == X509_V_ERR_CERT_HAS_EXPIRED || result == X509_V_ERR_CERT_NOT_YET_VALID;
  return time ? TlsFailure::kExpired : TlsFailure::kUntrusted;
}

TlsFailure reasonOf(const ErrorCode& error, SSL* handle) {
  if (error.category() != asio::error::get_ssl_category()) return TlsFailure::kClosed;
  if (net::isNoTls(error)) return TlsFailure::kNotTls;
  const long verified = SSL_get_verify_result(handle);
  if (verified != X509_V_OK) return whyUnverified(verified);
  const auto code = static_cast<unsigned long>(error.value());
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return TlsFailure::kOther;
  const int reason = ERR_GET_REASON(code);
  switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return TlsFailure::kNoCertificate;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_INAPPROPRIATE_FALLBACK:
      return TlsFailure::kVersion;
    default:  // beyond the offset: an alert that the peer sent
      return reason >= SSL_AD_REASON_OFFSET ? TlsFailure::kRefused : TlsFailure::kOther;
  }
}

}  // namespace

TlsHandshake::TlsHandshake(Socket socket, std::shared_ptr<net::TlsContext> context, Owner& owner,
                           const base::Clock& clock, Limits limits)
    : context_(std::move(context)),
      stream_(std::make_shared<net::TlsStream>(std::move(socket), *context_)),
      owner_(owner),
      clock_(clock),
      limits_(limits),
      since_(clock.steady()) {
  ErrorCode error;
  const auto endpoint = stream_->next_layer().remote_endpoint(error);
  if (!error) address_ = endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

void TlsHandshake::start() {
  if (state_ != State::kShaking) return;
  stream_->next_layer().async_receive(
      asio::buffer(&first_, 1), asio::socket_base::message_peek,
      [self = shared_from_this()](const ErrorCode& error, size_t) { self->onFirstByte(error); });
}

void TlsHandshake::onFirstByte(const ErrorCode& error) {
  if (state_ != State::kShaking) return;
  if (error) return fail(TlsFailure::kClosed, error.message());
  if (first_ != kHandshakeRecord) return answerInPlain();
  stream_->async_handshake(
      asio::ssl::stream_base::server,
      [self = shared_from_this()](const ErrorCode& failed) { self->onHandshake(failed); });
}

void TlsHandshake::onHandshake(const ErrorCode& error) {
  if (state_ != State::kShaking) return;
  SSL* handle = stream_->native_handle();
  if (error) {
    return fail(reasonOf(error, handle), net::tlsErrorText(error, *stream_));
  }
  const net::CertifiedNode node = net::certifiedNode(SSL_get0_peer_certificate(handle));
  if (node.kind == net::CertifiedNode::Kind::kOne) {
    state_ = State::kDone;
    return owner_.onProven(shared_from_this(), node.text);
  }
  const bool none = node.kind == net::CertifiedNode::Kind::kNone;
  // The wire's own ERROR tells the agent more than any alert.
  wire::encode(wire::ErrorMessage{wire::ErrorCode::kNotAuthorised, node.text}, farewell_);
  asio::async_write(*stream_, asio::buffer(farewell_),
                    [self = shared_from_this()](const ErrorCode& failed, size_t) {
                      if (failed) return;
                      net::sendCloseNotify(*self->stream_, [self](const ErrorCode&) {});
                    });
  fail(none ? TlsFailure::kNoName : TlsFailure::kSeveralNames, node.text);
}

// An agent without TLS is told so in its own language.
void TlsHandshake::answerInPlain() {
  wire::encode(wire::ErrorMessage{wire::ErrorCode::kNotAuthorised, kPlainText}, farewell_);
  asio::async_write(stream_->next_layer(), asio::buffer(farewell_),
                    [self = shared_from_this()](const ErrorCode&, size_t) {
                      ErrorCode ignored;
                      self->stream_->next_layer().shutdown(Socket::shutdown_send, ignored);
                    });
  fail(TlsFailure::kNotTls, "the peer does not speak TLS");
}

void TlsHandshake::fail(TlsFailure why, const std::string& text) {
  if (state_ != State::kShaking) return;
  state_ = State::kLingering;
  since_ = clock_.steady();
  owner_.onFailed(shared_from_this(), why, text);
  // Bytes that meet a closed socket would reset the connection, and with it what we said last.
  if (farewell_.empty()) {
    ErrorCode ignored;
    stream_->next_layer().shutdown(Socket::shutdown_send, ignored);
  }
  linger();
}

void TlsHandshake::linger() {
  stream_->next_layer().async_read_some(
      asio::buffer(ignored_), [self = shared_from_this()](const ErrorCode& error, size_t) {
        if (self->state_ != State::kLingering) return;
        if (error) return self->close();
        self->linger();
      });
}

void TlsHandshake::tick() {
  const base::Nanos age = clock_.steady() - since_;
  if (state_ == State::kShaking && age > limits_.handshake) {
    fail(TlsFailure::kTimeout, "no handshake within the time limit");
  } else if (state_ == State::kLingering && age > limits_.linger) {
    close();
  }
}

void TlsHandshake::pushOut() {
  if (state_ == State::kDone) return;
  const bool shaking = state_ == State::kShaking;
  state_ = State::kDone;
  ErrorCode ignored;
  stream_->next_layer().close(ignored);
  if (shaking) {
    owner_.onFailed(shared_from_this(), TlsFailure::kPushedOut, "too many connections at once");
  }
}

void TlsHandshake::close() {
  state_ = State::kDone;
  ErrorCode ignored;
  stream_->next_layer().close(ignored);
  owner_.onGone(shared_from_this());
}

}  // namespace logtail::aggregator
