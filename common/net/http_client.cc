#include "common/net/http_client.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <exception>

namespace logtail::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;
using boost::system::error_code;
using Request = http::request<http::string_body>;

// Runs one asynchronous step to its end, so that the stream's time-out holds for it.
template <typename Start>
error_code await(asio::io_context& context, Start start) {
  error_code result = asio::error::timed_out;
  start([&result](error_code failed, auto&&...) { result = failed; });
  context.restart();
  context.run();
  return result;
}

base::Error failure(const std::string& url, const char* step, error_code failed) {
  auto code = base::Errc::kRetry;
  if (failed.category() == make_error_code(http::error::bad_method).category() &&
      failed != http::error::end_of_stream && failed != http::error::partial_message) {
    code = base::Errc::kQuarantine;
  }
  if (failed.category() == asio::error::get_ssl_category()) code = base::Errc::kFixInput;
  return {code, url + ": " + step + ": " + failed.message()};
}

template <typename Stream>
base::Result<HttpResponse> exchange(asio::io_context& context, Stream& stream,
                                    const Request& request, const std::string& url,
                                    const HttpClientOptions& options) {
  beast::get_lowest_layer(stream).expires_after(options.timeout);
  error_code failed =
      await(context, [&](auto done) { http::async_write(stream, request, std::move(done)); });
  if (failed) return failure(url, "sending", failed);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(options.maxBody.count);
  beast::get_lowest_layer(stream).expires_after(options.timeout);
  failed = await(context, [&](auto done) {
    http::async_read_header(stream, buffer, parser, std::move(done));
  });
  // Beast 1.74 does not hold a response's Content-Length against body_limit.
  if (!failed && parser.content_length() && *parser.content_length() > options.maxBody.count) {
    failed = http::error::body_limit;
  }
  if (!failed) {
    failed = await(context,
                   [&](auto done) { http::async_read(stream, buffer, parser, std::move(done)); });
  }
  if (failed) return failure(url, "receiving", failed);
  auto message = parser.release();
  HttpResponse response;
  response.status = static_cast<int>(message.result_int());
  response.contentType = std::string(message[http::field::content_type]);
  for (const auto& field : message) {
    response.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
  }
  response.body = std::move(message.body());
  return response;
}

// Connects the TCP stream below `stream`.
base::Status connect(asio::io_context& context, beast::tcp_stream& stream, const Url& url,
                     const std::string& text, const HttpClientOptions& options) {
  tcp::resolver resolver(context);
  tcp::resolver::results_type addresses;
  error_code failed = asio::error::timed_out;
  resolver.async_resolve(url.host, url.port,
                         [&](error_code result, tcp::resolver::results_type found) {
                           failed = result;
                           addresses = std::move(found);
                         });
  context.restart();
  context.run_for(options.timeout);
  if (failed) {
    resolver.cancel();
    return failure(text, "looking up the host", failed);
  }
  stream.expires_after(options.timeout);
  failed = await(context, [&](auto done) { stream.async_connect(addresses, std::move(done)); });
  if (failed) return failure(text, "connecting", failed);
  return {};
}

base::Result<HttpResponse> overTls(asio::io_context& context, const Url& url,
                                   const Request& request, const std::string& text,
                                   const HttpClientOptions& options) {
  ssl::context tls(ssl::context::tls_client);
  error_code failed;
  tls.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                      ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                  failed);
  if (options.caFile.empty()) {
    tls.set_default_verify_paths(failed);
  } else {
    tls.load_verify_file(options.caFile, failed);
  }
  if (failed) {
    return base::Error{
        base::Errc::kFixInput,
        options.caFile + ": not a readable file of CA certificates: " + failed.message()};
  }
  const std::string& name = options.serverName.empty() ? url.host : options.serverName;
  beast::ssl_stream<beast::tcp_stream> stream(context, tls);
  stream.set_verify_mode(ssl::verify_peer, failed);
  stream.set_verify_callback(ssl::host_name_verification(name), failed);
  SSL_set_tlsext_host_name(stream.native_handle(), name.c_str());
  LOGTAIL_TRY(connect(context, stream.next_layer(), url, text, options));
  beast::get_lowest_layer(stream).expires_after(options.timeout);
  failed = await(context, [&](auto done) {
    stream.async_handshake(ssl::stream_base::client, std::move(done));
  });
  if (failed) return failure(text, "TLS", failed);
  return exchange(context, stream, request, text, options);
}

base::Result<HttpResponse> send(const std::string& text, http::verb method, std::string body,
                                const std::string& contentType,
                                const HttpClientOptions& options) try {
  Url url;
  if (!parseUrl(text, url)) {
    return base::Error{base::Errc::kFixInput, "\"" + text + "\" is no http:// or https:// URL"};
  }
  Request request(method, url.target, 11);
  const std::string host =
      url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  request.set(http::field::host, host + ":" + url.port);
  request.set(http::field::user_agent, "logtail");
  request.set(http::field::connection, "close");
  for (const auto& [name, value] : options.headers) request.set(name, value);
  if (!contentType.empty()) request.set(http::field::content_type, contentType);
  request.body() = std::move(body);
  request.prepare_payload();
  asio::io_context context{1};
  if (url.tls) return overTls(context, url, request, text, options);
  beast::tcp_stream stream(context);
  LOGTAIL_TRY(connect(context, stream, url, text, options));
  return exchange(context, stream, request, text, options);
} catch (const std::exception& e) {
  return base::Error{base::Errc::kRetry, text + ": " + e.what()};
}

}  // namespace

base::Result<HttpResponse> httpGet(const std::string& url, const HttpClientOptions& options) {
  return send(url, http::verb::get, "", "", options);
}

base::Result<HttpResponse> httpPost(const std::string& url, std::string body,
                                    const std::string& contentType,
                                    const HttpClientOptions& options) {
  return send(url, http::verb::post, std::move(body), contentType, options);
}

}  // namespace logtail::net
