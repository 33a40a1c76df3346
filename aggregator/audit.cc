#include "aggregator/audit.h"

#include <unordered_map>

#include "aggregator/output_beginning.h"

namespace logtail::aggregator {
namespace {

constexpr base::Nanos kDurableWait = std::chrono::seconds(5);
constexpr size_t kMaxLines = 200;  // of findings; a broken disk would list millions

std::string nameOf(const StreamState& stream) {
  const auto description = event::decodeStreamDescription(stream.description);
  if (!description.ok() || description->pod.empty()) return toString(stream.key);
  return description->namespaceName + "/" + description->pod + "/" + description->container + "#" +
         std::to_string(description->restart);
}

std::string show(const Content& content) {
  return std::to_string(content.records) + " records, " + std::to_string(content.recordBytes) +
         " bytes, digest " + std::to_string(content.digest);
}

void report(std::vector<std::string>& lines, std::string line) {
  if (lines.size() < kMaxLines) lines.push_back(std::move(line));
}

Content toContent(const outputs::Tally& tally) {
  return {tally.records, tally.bytes, tally.digest};
}

// What stays a finding for ever, also when the stream itself is forgotten.
void checkTotals(const std::string& who, const StreamTotals& t, Audit& audit) {
  if (t.gaps.blocks > 0) {
    report(audit.unaccounted, "gap: " + who + ": " + std::to_string(t.gaps.bytes) +
                                  " bytes missing before " + std::to_string(t.gaps.blocks) +
                                  " blocks, undeclared");
  }
  if (t.lostAfterAck.blocks > 0) {
    report(audit.unaccounted,
           "lost after ack: " + who + ": " + std::to_string(t.lostAfterAck.bytes) + " bytes");
  }
  if (t.repeated.blocks > 0) {
    report(audit.unaccounted, "repeat: " + who + ": " + std::to_string(t.repeated.blocks) +
                                  " blocks came twice and nothing explains it");
  }
  if (t.doubled.blocks > 0) {
    report(audit.unaccounted, "doubled: " + who + ": " + std::to_string(t.doubled.blocks) +
                                  " generations, " + std::to_string(t.doubled.bytes) +
                                  " bytes came again under a new epoch, with the same end");
  }
  if (t.begunAgain.blocks > 0) {
    report(audit.possibleRepeats, who + ": " + std::to_string(t.begunAgain.blocks) +
                                      " generations begun again, " +
                                      std::to_string(t.begunAgain.bytes) + " bytes");
  }
}

void checkStream(const StreamState& stream, Audit& audit) {
  const StreamTotals& t = stream.totals;
  const std::string who = nameOf(stream);
  if (!stream.rebuilt && t.consumedBytes + t.openAdjust != t.content.recordBytes + t.dropBytes() +
                                                               t.lostBytes() + stream.openBytes()) {
    report(audit.unaccounted, "law: " + who + ": " + std::to_string(t.consumedBytes) +
                                  " bytes consumed, but " + std::to_string(t.content.recordBytes) +
                                  " in records, " + std::to_string(t.dropBytes()) + " dropped, " +
                                  std::to_string(t.lostBytes()) + " lost, " +
                                  std::to_string(stream.openBytes()) + " open");
  }
  checkTotals(who, t, audit);
  if (stream.endedNanos != 0 && stream.unfinished() > 0) {
    report(audit.unaccounted, "unfinished: " + who + ": ended with " +
                                  std::to_string(stream.unfinished()) + " generations without end");
  }
}

void checkAgent(const StreamState& stream, const NodeState* node, Audit& audit) {
  const AgentCounts& agent = stream.agent;
  if (agent.life == 0 || agent.life != stream.life) return;
  audit.readBytes += agent.readBytes;
  audit.sealedBytes += agent.sealed.bytes;
  audit.unreadBytes += agent.knownBytes;
  const bool settled = node != nullptr && node->statsLife == agent.life && node->statsFinal;
  if (settled && agent.sealed != stream.ofLife) {
    report(audit.unaccounted,
           "agent: " + nameOf(stream) + ": sealed " + std::to_string(agent.sealed.records) +
               " records, " + std::to_string(agent.sealed.bytes) + " bytes, the ledger accepted " +
               std::to_string(stream.ofLife.records) + " records, " +
               std::to_string(stream.ofLife.bytes) + " bytes, or others");
  } else if (!settled && agent.sealed.bytes > stream.ofLife.bytes) {
    report(audit.incomplete, "under way: " + nameOf(stream) + ": " +
                                 std::to_string(agent.sealed.bytes - stream.ofLife.bytes) +
                                 " bytes between agent and aggregator");
  }
}

void compare(const AuditedOutput& output, const std::string& who, const Content& accepted,
             const Content& have, Audit& audit) {
  if (have == accepted) return;
  report(audit.unaccounted, "output " + output.id + ": " + who + ": the ledger accepted " +
                                show(accepted) + "; delivered, skipped and under way " +
                                show(have));
}

// What the output did with each stream, and what lies between its cursor and the ledger's position.
ContentMap countAll(const AuditInput& input, const AuditedOutput& output, base::FileSystem& fs,
                    const wal::SegmentList& queue, OutputAudit& result, Audit& audit) {
  const auto queued = countFrames(output.progress.position, input.sequence, fs, queue);
  if (!queued.ok()) report(audit.incomplete, "output " + output.id + ": " + queued.message());
  ContentMap all = queued.ok() ? *queued : ContentMap();
  for (const auto& [key, content] : all) result.inFlight.add(content);
  for (const auto& [key, counts] : output.progress.streams) {
    for (const outputs::Tally& tally : counts.tallies) all[key].add(toContent(tally));
    result.delivered += counts;
  }
  return all;
}

void checkOutput(const AuditInput& input, const AuditedOutput& output, base::FileSystem& fs,
                 const wal::SegmentList& queue, Audit& audit) {
  OutputAudit result;
  result.id = output.id;
  if (!output.progress.position) {
    report(audit.incomplete, "output " + output.id + " has not begun");
    audit.outputs.push_back(std::move(result));
    return;
  }
  result.position = output.progress.position->sequence;
  // The ledger counts what waits for room already; nobody can have it yet.
  const bool waits = input.durable < input.sequence;
  const bool behindRetention = result.position < queue.oldestSequence();
  if (waits || behindRetention) {
    report(audit.incomplete,
           "output " + output.id + ": " +
               (waits ? std::to_string(input.sequence - input.durable) +
                            " entries wait for room in the queue"
                      : std::string("entries that were given up are not counted yet")));
    for (const auto& [key, counts] : output.progress.streams) result.delivered += counts;
    audit.outputs.push_back(std::move(result));
    return;
  }
  ContentMap all = countAll(input, output, fs, queue, result, audit);
  for (const StreamState& stream : input.streams) {
    const auto at = all.find(stream.key);
    compare(output, nameOf(stream), stream.totals.content, at == all.end() ? Content{} : at->second,
            audit);
    if (at != all.end()) all.erase(at);
  }
  // Of the streams that the ledger let go, the sums are compared.
  Content forgotten;
  for (const auto& [key, content] : all) forgotten.add(content);
  for (const outputs::Tally& tally : output.progress.forgotten.tallies) {
    forgotten.add(toContent(tally));
  }
  result.delivered += output.progress.forgotten;
  compare(output, "forgotten streams", input.retired.content, forgotten, audit);
  if (result.inFlight.records > 0) {
    report(audit.incomplete, "output " + output.id + ": " +
                                 std::to_string(result.inFlight.records) + " records under way");
  }
  audit.outputs.push_back(std::move(result));
}

}  // namespace

AuditInput gatherAudit(Intake& intake, const RunningOutputs& outputs, const wal::SegmentList& queue,
                       base::Clock& clock) {
  AuditInput input;
  // Outputs first: what they have by now is at or before where the ledger is then.
  for (const auto& output : outputs) input.outputs.push_back({output->id(), output->progress()});
  intake.withLedger([&](Ledger& ledger) {
    input.sequence = ledger.sequence();
    ledger.forEach([&](const StreamState& stream) { input.streams.push_back(stream); });
    ledger.forEachNode([&](const NodeState& node) { input.nodes.push_back(node); });
    input.retired = ledger.retired();
    input.damagedRecords = ledger.damagedRecords();
  });
  if (input.sequence > 0) queue.waitAbove(input.sequence - 1, kDurableWait);
  input.durable = queue.durableSequence();
  input.nowNanos = clock.wallNanos();
  return input;
}

Audit takeAudit(const AuditInput& input, base::FileSystem& fs, const wal::SegmentList& queue) {
  Audit audit;
  std::unordered_map<std::string_view, const NodeState*> nodes;
  for (const NodeState& node : input.nodes) {
    nodes.emplace(node.name, &node);
    const bool silent = node.statsNanos + input.silentAfterNanos < input.nowNanos;
    if (silent && !node.statsFinal && !node.forgotten) {
      report(audit.incomplete, "silent: node " + node.name + " sent no STATS for a while");
    }
  }
  audit.totals.add(input.retired);
  checkTotals("forgotten streams", input.retired, audit);
  for (const StreamState& stream : input.streams) {
    audit.totals.add(stream.totals);
    audit.openBytes += stream.openBytes();
    checkStream(stream, audit);
    const auto node = nodes.find(stream.node);
    checkAgent(stream, node == nodes.end() ? nullptr : node->second, audit);
  }
  if (input.lostAfterAck > 0) {
    report(audit.unaccounted, "queue: " + std::to_string(input.lostAfterAck) +
                                  " entries lost after they were acknowledged");
  }
  if (input.damagedRecords > 0) {
    report(audit.unaccounted,
           "ledger: " + std::to_string(input.damagedRecords) + " records damaged");
  }
  for (const AuditedOutput& output : input.outputs) checkOutput(input, output, fs, queue, audit);
  if (!audit.unaccounted.empty()) {
    audit.result = AuditResult::kUnaccounted;
  } else if (!audit.incomplete.empty()) {
    audit.result = AuditResult::kIncomplete;
  }
  return audit;
}

}  // namespace logtail::aggregator
