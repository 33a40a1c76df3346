#pragma once
// Addresses as configurations write them.

#include <cstdint>
#include <string>

#include "common/base/result.h"

namespace logtail::net {

// What a person is told to write.
inline constexpr char kHostPortForm[] = "host:port or [IPv6]:port with a port from 0 to 65535";

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

// "host:port", "[v6]:port" or ":port" (all addresses); kFixInput otherwise. Pure.
base::Result<HostPort> parseHostPort(const std::string& text);

// Whether only this machine can be meant: localhost, 127.0.0.0/8, ::1.
bool isLoopback(const std::string& host);

}  // namespace logtail::net
