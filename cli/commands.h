#pragma once
// What `logtail` can do; each command prints for a person or, where asked, for a program.
// Exit codes: docs/operations.md. No Linux-only header in this room.

#include <chrono>
#include <string>

namespace logtail::cli {

// Exit codes beside the audit's own (0 clean, 1 unaccounted, 3 incomplete).
inline constexpr int kExitUsage = 2;
inline constexpr int kExitUnreachable = 4;

struct AuditOptions {
  std::string aggregator = "http://127.0.0.1:8686";
  std::chrono::nanoseconds wait{0};  // how long `incomplete` may take to become something else
  bool json = false;
  bool streams = false;
};
int runAudit(const AuditOptions& options);

struct ForgetNodeOptions {
  std::string aggregator = "http://127.0.0.1:8686";
  std::string node;
};
int runForgetNode(const ForgetNodeOptions& options);

// The audit's JSON as text for a person.
std::string describeAudit(const std::string& json, bool streams);

}  // namespace logtail::cli
