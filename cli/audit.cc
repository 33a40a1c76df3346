#include <rapidjson/document.h>

#include <cstdio>
#include <thread>

#include "cli/commands.h"
#include "common/net/http_client.h"

namespace logtail::cli {
namespace {

constexpr std::chrono::milliseconds kAskAgain{500};

// Figures grouped by thousands, as people read them.
std::string number(uint64_t value) {
  std::string digits = std::to_string(value);
  for (int at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<size_t>(at), ",");
  }
  return digits;
}

uint64_t uintAt(const rapidjson::Value& object, const char* key) {
  const auto at = object.FindMember(key);
  return at != object.MemberEnd() && at->value.IsUint64() ? at->value.GetUint64() : 0;
}

std::string textAt(const rapidjson::Value& object, const char* key) {
  const auto at = object.FindMember(key);
  return at != object.MemberEnd() && at->value.IsString() ? at->value.GetString() : "";
}

const rapidjson::Value& objectAt(const rapidjson::Value& object, const char* key) {
  static const rapidjson::Value kEmpty(rapidjson::kObjectType);
  const auto at = object.FindMember(key);
  return at != object.MemberEnd() && at->value.IsObject() ? at->value : kEmpty;
}

void line(std::string& out, const std::string& label, const std::string& value) {
  out += label + std::string(label.size() < 24 ? 24 - label.size() : 1, ' ') + value + "\n";
}

std::string content(const rapidjson::Value& c) {
  return number(uintAt(c, "records")) + " records, " + number(uintAt(c, "bytes")) + " bytes";
}

void describeTotals(const rapidjson::Value& totals, std::string& out) {
  line(out, "consumed", number(uintAt(totals, "consumed_bytes")) + " bytes");
  line(out, "accepted", content(objectAt(totals, "accepted")));
  for (const auto& reason : objectAt(totals, "dropped").GetObject()) {
    if (uintAt(reason.value, "bytes") == 0) continue;
    line(out, std::string("dropped ") + reason.name.GetString(), content(reason.value));
  }
  for (const auto& reason : objectAt(totals, "lost_bytes").GetObject()) {
    if (!reason.value.IsUint64() || reason.value.GetUint64() == 0) continue;
    line(out, std::string("lost ") + reason.name.GetString(),
         number(reason.value.GetUint64()) + " bytes");
  }
  for (const char* key : {"tails_lost", "lost_with_node_bytes", "start_bytes", "open_bytes"}) {
    if (uintAt(totals, key) > 0) line(out, key, number(uintAt(totals, key)));
  }
  for (const char* key :
       {"gaps", "moved", "lost_after_ack", "in_doubt", "resent", "repeated", "forbidden"}) {
    const auto& tally = objectAt(totals, key);
    if (uintAt(tally, "blocks") == 0) continue;
    line(out, key,
         number(uintAt(tally, "blocks")) + " blocks, " + number(uintAt(tally, "bytes")) + " bytes");
  }
}

void describeFindings(const rapidjson::Document& audit, const char* key, const char* title,
                      std::string& out) {
  const auto at = audit.FindMember(key);
  if (at == audit.MemberEnd() || !at->value.IsArray() || at->value.Empty()) return;
  out += std::string("\n") + title + ":\n";
  for (const auto& finding : at->value.GetArray()) {
    if (finding.IsString()) out += std::string("  ") + finding.GetString() + "\n";
  }
}

base::Result<std::string> askAudit(const AuditOptions& options) {
  const std::string url = options.aggregator + "/v1/audit" + (options.streams ? "?streams=1" : "");
  auto answer = net::httpGet(url);
  if (!answer.ok()) return answer.error();
  if (answer->status != 200) {
    return base::Error{base::Errc::kRetry,
                       url + ": HTTP " + std::to_string(answer->status) + ": " + answer->body};
  }
  return std::move(answer->body);
}

}  // namespace

std::string describeAudit(const std::string& json, bool streams) {
  rapidjson::Document audit;
  audit.Parse(json.data(), json.size());
  if (!audit.IsObject()) return "the aggregator's answer is no audit\n";
  std::string out;
  line(out, "result", textAt(audit, "result"));
  line(out, "nodes, streams",
       number(uintAt(audit, "nodes")) + ", " + number(uintAt(audit, "stream_count")));
  const auto& agents = objectAt(audit, "agents");
  line(out, "read by agents",
       number(uintAt(agents, "read_bytes")) + " bytes in their present lives");
  if (uintAt(agents, "unread_bytes") > 0) {
    line(out, "not read yet", number(uintAt(agents, "unread_bytes")) + " bytes");
  }
  describeTotals(objectAt(audit, "totals"), out);
  if (const auto at = audit.FindMember("outputs"); at != audit.MemberEnd() && at->value.IsArray()) {
    for (const auto& output : at->value.GetArray()) {
      std::string text = content(objectAt(output, "delivered")) + " delivered, " +
                         content(objectAt(output, "in_flight")) + " in flight";
      for (const char* fate : {"skipped", "dead_lettered"}) {
        if (uintAt(objectAt(output, fate), "records") == 0) continue;
        text += ", " + content(objectAt(output, fate)) + " " + fate;
      }
      line(out, "output " + textAt(output, "id"), text);
    }
  }
  if (const auto at = audit.FindMember("streams");
      streams && at != audit.MemberEnd() && at->value.IsArray()) {
    out += "\n";
    for (const auto& stream : at->value.GetArray()) {
      out += textAt(stream, "namespace") + "/" + textAt(stream, "pod") + "/" +
             textAt(stream, "container") + "#" + number(uintAt(stream, "restart")) + "  " +
             content(objectAt(stream, "accepted")) + "\n";
    }
  }
  describeFindings(audit, "unaccounted", "unaccounted", out);
  describeFindings(audit, "incomplete", "incomplete", out);
  describeFindings(audit, "possible_repeats", "possible repeats", out);
  return out;
}

int runAudit(const AuditOptions& options) {
  const auto deadline = std::chrono::steady_clock::now() + options.wait;
  for (;;) {
    const auto answer = askAudit(options);
    const bool again = std::chrono::steady_clock::now() < deadline;
    int code = kExitUnreachable;
    if (answer.ok()) {
      rapidjson::Document audit;
      audit.Parse(answer->data(), answer->size());
      code = audit.IsObject() ? static_cast<int>(uintAt(audit, "exit_code")) : kExitUnreachable;
    }
    // Only a settled answer ends the wait: what is under way, or a server that starts, may change.
    if (again && (code == 3 || code == kExitUnreachable)) {
      std::this_thread::sleep_for(kAskAgain);
      continue;
    }
    if (!answer.ok()) {
      std::fprintf(stderr, "logtail: %s\n", answer.message().c_str());
      return kExitUnreachable;
    }
    const std::string text =
        options.json ? *answer + "\n" : describeAudit(*answer, options.streams);
    std::fputs(text.c_str(), stdout);
    return code;
  }
}

int runForgetNode(const ForgetNodeOptions& options) {
  const std::string url = options.aggregator + "/v1/admin/forget-node?node=" + options.node;
  const auto answer = net::httpPost(url, "", "text/plain");
  if (!answer.ok()) {
    std::fprintf(stderr, "logtail: %s\n", answer.message().c_str());
    return kExitUnreachable;
  }
  std::fprintf(answer->status == 200 ? stdout : stderr, "%s", answer->body.c_str());
  return answer->status == 200 ? 0 : 1;
}

}  // namespace logtail::cli
