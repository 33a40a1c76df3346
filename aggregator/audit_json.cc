#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "aggregator/audit.h"

namespace logtail::aggregator {
namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

void put(Writer& w, const char* key, uint64_t value) {
  w.Key(key);
  w.Uint64(value);
}

void put(Writer& w, const char* key, const std::string& value) {
  w.Key(key);
  w.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
}

void put(Writer& w, const char* key, const std::vector<std::string>& lines) {
  w.Key(key);
  w.StartArray();
  for (const std::string& line : lines) {
    w.String(line.data(), static_cast<rapidjson::SizeType>(line.size()));
  }
  w.EndArray();
}

const char* name(AuditResult result) {
  switch (result) {
    case AuditResult::kClean:
      return "clean";
    case AuditResult::kUnaccounted:
      return "unaccounted";
    case AuditResult::kIncomplete:
      return "incomplete";
  }
  return "unknown";
}

void putContent(Writer& w, const char* key, const Content& content) {
  w.Key(key);
  w.StartObject();
  put(w, "records", content.records);
  put(w, "bytes", content.recordBytes);
  put(w, "digest", std::to_string(content.digest));
  w.EndObject();
}

void putTally(Writer& w, const char* key, const Tally& tally, const char* what = "blocks") {
  w.Key(key);
  w.StartObject();
  put(w, what, tally.blocks);
  put(w, "bytes", tally.bytes);
  w.EndObject();
}

void putTotals(Writer& w, const StreamTotals& t, uint64_t openBytes) {
  put(w, "consumed_bytes", t.consumedBytes);
  putContent(w, "accepted", t.content);
  w.Key("dropped");
  w.StartObject();
  for (size_t i = 0; i < event::kDropReasons; ++i) {
    w.Key(event::name(static_cast<event::DropReason>(i)));
    w.StartObject();
    put(w, "records", t.drops[i].records);
    put(w, "bytes", t.drops[i].bytes);
    w.EndObject();
  }
  w.EndObject();
  w.Key("lost_bytes");
  w.StartObject();
  for (size_t i = 1; i < kLossReasons; ++i) {
    put(w, event::name(static_cast<event::LossReason>(i)), t.lost[i]);
  }
  w.EndObject();
  put(w, "tails_lost", t.tailsLost);
  put(w, "lost_with_node_bytes", t.lostWithNode);
  put(w, "start_bytes", t.startBytes);
  put(w, "open_bytes", openBytes);
  putTally(w, "gaps", t.gaps);
  putTally(w, "moved", t.moved);
  putTally(w, "lost_after_ack", t.lostAfterAck);
  putTally(w, "in_doubt", t.inDoubt);
  putTally(w, "resent", t.resent);
  putTally(w, "repeated", t.repeated);
  putTally(w, "forbidden", t.forbidden);
  putTally(w, "begun_again", t.begunAgain, "generations");
  putTally(w, "doubled", t.doubled, "generations");
}

void putOutputs(Writer& w, const Audit& audit) {
  w.Key("outputs");
  w.StartArray();
  for (const OutputAudit& output : audit.outputs) {
    w.StartObject();
    put(w, "id", output.id);
    put(w, "position", output.position);
    const auto tally = [&](outputs::Fate fate) {
      const outputs::Tally& t = output.delivered[fate];
      return Content{t.records, t.bytes, t.digest};
    };
    putContent(w, "delivered", tally(outputs::Fate::kDelivered));
    putContent(w, "skipped", tally(outputs::Fate::kSkipped));
    putContent(w, "dead_lettered", tally(outputs::Fate::kDeadLettered));
    putContent(w, "in_flight", output.inFlight);
    w.EndObject();
  }
  w.EndArray();
}

void putStreams(Writer& w, const AuditInput& input) {
  w.Key("streams");
  w.StartArray();
  for (const StreamState& stream : input.streams) {
    w.StartObject();
    put(w, "key", toString(stream.key));
    put(w, "node", stream.node);
    if (const auto d = event::decodeStreamDescription(stream.description); d.ok()) {
      put(w, "namespace", d->namespaceName);
      put(w, "pod", d->pod);
      put(w, "container", d->container);
      put(w, "restart", d->restart);
    }
    w.Key("ended");
    w.Bool(stream.endedNanos != 0);
    putTotals(w, stream.totals, stream.openBytes());
    for (const AuditedOutput& output : input.outputs) {
      const auto at = output.progress.streams.find(stream.key);
      if (at == output.progress.streams.end()) continue;
      const outputs::Tally& t = at->second[outputs::Fate::kDelivered];
      putContent(w, ("delivered_" + output.id).c_str(), {t.records, t.bytes, t.digest});
    }
    w.EndObject();
  }
  w.EndArray();
}

}  // namespace

std::string toJson(const Audit& audit, const AuditInput& input, bool perStream) {
  rapidjson::StringBuffer buffer;
  Writer w(buffer);
  w.StartObject();
  put(w, "result", std::string(name(audit.result)));
  put(w, "exit_code", static_cast<uint64_t>(audit.result));
  put(w, "unaccounted", audit.unaccounted);
  put(w, "incomplete", audit.incomplete);
  put(w, "possible_repeats", audit.possibleRepeats);
  put(w, "sequence", input.sequence);
  put(w, "nodes", input.nodes.size());
  put(w, "stream_count", input.streams.size());
  w.Key("agents");
  w.StartObject();
  put(w, "read_bytes", audit.readBytes);
  put(w, "sealed_bytes", audit.sealedBytes);
  put(w, "unread_bytes", audit.unreadBytes);
  w.EndObject();
  w.Key("totals");
  w.StartObject();
  putTotals(w, audit.totals, audit.openBytes);
  w.EndObject();
  putOutputs(w, audit);
  if (perStream) putStreams(w, input);
  w.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace logtail::aggregator
