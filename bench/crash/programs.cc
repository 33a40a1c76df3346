#include "bench/crash/programs.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <utility>

#include "common/base/file_system.h"
#include "common/base/random.h"
#include "common/net/http_client.h"
#include "tests/support/test_certificates.h"

namespace logtail::bench {

using base::Errc;
using base::Error;
using base::Result;
using base::Status;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr uint16_t kLowestPort = 10'000;
constexpr int kPortTries = 200;
constexpr size_t kTailLines = 25;
constexpr milliseconds kAsk{50};
constexpr milliseconds kAuditGrace{30'000};

bool nobodyListens(uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool free = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

Status writeText(const std::string& path, const std::string& text) {
  return base::writeFileAtomically(base::posixFileSystem(), path, text);
}

std::string loopback(uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace

const char* name(Target target) {
  return target == Target::kAgent ? "logtail-agent" : "logtail-aggregator";
}

Result<uint16_t> freePort() {
  uint64_t low = 32768;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low;
  if (low <= kLowestPort) low = 32768;
  for (int i = 0; i < kPortTries; ++i) {
    const auto port = static_cast<uint16_t>(kLowestPort + base::randomId() % (low - kLowestPort));
    if (nobodyListens(port)) return port;
  }
  return Error{Errc::kPushBack, "no free port on 127.0.0.1"};
}

Programs::Programs(const CrashOptions& options, std::string directory)
    : options_(options), directory_(std::move(directory)) {}

Status Programs::writeConfigs() {
  for (uint16_t* port : {&wirePort_, &agentPort_, &aggregatorPort_}) {
    do {
      auto found = freePort();
      if (!found.ok()) return found.error();
      *port = *found;
    } while ((port != &wirePort_ && *port == wirePort_) ||
             (port == &aggregatorPort_ && *port == agentPort_));
  }
  for (const char* sub : {"/node/containers", "/node/pods", "/agent-state", "/data", "/results"}) {
    LOGTAIL_TRY(base::posixFileSystem().createDirectories(directory_ + sub));
  }
  if (options_.tls) LOGTAIL_TRY(writeCertificates());
  const auto tls = [this](const std::string& side) {
    return options_.tls ? "tls: {dir: \"" + directory_ + side + "\"}\n" : std::string();
  };
  LOGTAIL_TRY(writeText(directory_ + "/agent.yaml",
                        "cluster: crash\nnode: node-1\naggregators: [\"" + loopback(wirePort_) +
                            "\"]\nlogs: {dir: \"" + root() + "\"}\nstate: {dir: \"" + agentState() +
                            "\"}\nhttp: {listen: \"" + loopback(agentPort_) +
                            "\"}\nread_from: head\n" + tls("/agent-tls")));
  const std::string more = options_.outputYaml.empty() ? "" : ", " + options_.outputYaml;
  return writeText(directory_ + "/aggregator.yaml",
                   "listen: \"" + loopback(wirePort_) + "\"\nhttp: {listen: \"" +
                       loopback(aggregatorPort_) + "\"}\ndata: {dir: \"" + directory_ +
                       "/data\"}\nqueue: {" + options_.queueYaml +
                       "}\nsnapshot_interval: " + options_.snapshotInterval +
                       "\noutputs:\n  files: {type: file, directory: \"" + results() +
                       "\", path: \"{namespace}/{pod}/{container}.log\"" + more + "}\n" +
                       tls("/aggregator-tls"));
}

Status Programs::writeCertificates() {
  for (const char* sub : {"/agent-tls", "/aggregator-tls"}) {
    LOGTAIL_TRY(base::posixFileSystem().createDirectories(directory_ + sub));
  }
  const test::TestAuthority authority;
  authority.issue(directory_ + "/agent-tls", "node-1");
  authority.issue(directory_ + "/aggregator-tls", {"aggregator", "IP:127.0.0.1", ""});
  return {};
}

Status Programs::start(Target target) {
  const bool isAgent = target == Target::kAgent;
  const std::string config = directory_ + (isAgent ? "/agent.yaml" : "/aggregator.yaml");
  auto started = Child::start({program(name(target)), "--config", config}, logPath(name(target)));
  if (!started.ok()) return started.error();
  child(target) = std::move(*started);
  (isAgent ? agentUp_ : aggregatorUp_) = true;
  return {};
}

void Programs::kill9(Target target) {
  (target == Target::kAgent ? agentUp_ : aggregatorUp_) = false;
  child(target).kill9();
}

Status Programs::startPodsim() {
  char rate[32];
  std::snprintf(rate, sizeof rate, "%.1f", options_.rate);
  std::vector<std::string> arguments{program("podsim"),
                                     "--root",
                                     root(),
                                     "--pods",
                                     std::to_string(options_.pods),
                                     "--rate",
                                     rate,
                                     "--rotate-bytes",
                                     options_.rotateBytes,
                                     "--rotate-every",
                                     options_.rotateEvery,
                                     "--seed",
                                     std::to_string(options_.seed),
                                     "--partial-fraction",
                                     options_.partialFraction};
  if (options_.shortLived > 0) {
    const std::string duration = std::to_string(options_.time.count()) + "ms";
    arguments.insert(arguments.end(), {"--short-lived", std::to_string(options_.shortLived),
                                       "--duration", duration});
  }
  if (!options_.longLine.empty()) {
    arguments.insert(arguments.end(), {"--long-line", options_.longLine});
  }
  auto started = Child::start(arguments, logPath("podsim"));
  if (!started.ok()) return started.error();
  podsim_ = std::move(*started);
  return {};
}

std::string Programs::url(Target target) const {
  return "http://" + loopback(target == Target::kAgent ? agentPort_ : aggregatorPort_);
}

Status Programs::waitReady(Target target, milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  net::HttpClientOptions options;
  options.timeout = milliseconds(1000);
  std::string last = "no answer";
  while (steady_clock::now() < deadline) {
    LOGTAIL_TRY(check());
    auto answer = net::httpGet(url(target) + "/readyz?verbose", options);
    if (answer.ok() && answer->status == 200) return {};
    last = answer.ok() ? std::to_string(answer->status) + " " + answer->body : answer.message();
    ::poll(nullptr, 0, static_cast<int>(kAsk.count()));
  }
  return {Errc::kStop, std::string(name(target)) + " is not ready: " + last + "\n" +
                           tailOf(logPath(name(target)), kTailLines)};
}

Result<std::string> Programs::metrics(Target target) {
  net::HttpClientOptions options;
  options.timeout = milliseconds(5000);
  auto answer = net::httpGet(url(target) + "/metrics", options);
  if (!answer.ok()) return answer.error();
  return std::move(answer->body);
}

Status Programs::ended(const char* program, Child& child, bool expected) {
  if (!expected || child.running()) return {};
  const std::string how = child.ended() ? child.ended()->toString() : "did not start";
  return {Errc::kStop, std::string(program) + " ended by itself: " + how + "\n" +
                           tailOf(logPath(program), kTailLines)};
}

Status Programs::check() {
  LOGTAIL_TRY(ended(name(Target::kAgent), agent_, agentUp_));
  LOGTAIL_TRY(ended(name(Target::kAggregator), aggregator_, aggregatorUp_));
  return {};
}

Status Programs::stop(Target target, milliseconds limit) {
  (target == Target::kAgent ? agentUp_ : aggregatorUp_) = false;
  const ExitStatus status = child(target).stop(limit);
  if (status.clean()) return {};
  return {Errc::kStop, std::string(name(target)) + " did not stop as it should: " +
                           status.toString() + "\n" + tailOf(logPath(name(target)), kTailLines)};
}

Status Programs::stopPodsim(milliseconds limit) {
  const ExitStatus status = podsim_.stop(limit);
  if (status.clean()) return {};
  return {Errc::kStop,
          "podsim: " + status.toString() + "\n" + tailOf(logPath("podsim"), kTailLines)};
}

Result<std::string> Programs::audit(int& code) {
  const std::string log = logPath("audit");
  auto started =
      Child::start({program("logtail"), "audit", "--aggregator", url(Target::kAggregator), "--wait",
                    std::to_string(options_.auditWait.count()) + "s"},
                   log);
  if (!started.ok()) return started.error();
  const auto status = started->wait(options_.auditWait + kAuditGrace);
  if (!status) return Error{Errc::kStop, "the audit does not end\n" + tailOf(log, kTailLines)};
  code = status->code;
  return tailOf(log, kTailLines);
}

}  // namespace logtail::bench
