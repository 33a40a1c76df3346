// The agents' own counts, and nodes that will not come back.

#include <algorithm>

#include "aggregator/ledger.h"

namespace logtail::aggregator {

void Ledger::applyStats(uint64_t entry, std::string_view node, uint64_t life,
                        const wire::Stats& stats) {
  if (!begin(entry)) return;
  NodeState& owner = obtainNode(node);
  owner.statsLife = life;
  owner.statsNanos = stats.timeNanos;
  owner.statsFinal = stats.final;
  owner.statsPendingBytes = stats.pendingBytes;
  owner.forgotten = false;
  for (const wire::StreamStats& reported : stats.streams) {
    StreamState* stream = findMutable(reported.key);
    if (stream == nullptr || stream->node != node) continue;
    AgentCounts& agent = stream->agent;
    agent.life = life;
    agent.readBytes = reported.readBytes;
    agent.rereadBytes = reported.rereadBytes;
    agent.knownBytes = reported.knownBytes;
    agent.pendingBytes = stats.pendingBytes;
    agent.sealed = {reported.sealedBytes, reported.sealedRecords, reported.sealedDigest};
    // STATS and FRAMEs share one ordered connection: this is what had been accepted of what the
    // agent counts as sealed or pending.
    agent.accepted = stream->life == life ? stream->ofLife : LifeCounts{};
  }
}

base::Result<wal::ForgetEntry> Ledger::judgeForget(std::string_view node) const {
  if (findNode(node) == nullptr) {
    return {base::Errc::kNotFound, "the ledger knows no node '" + std::string(node) + "'"};
  }
  wal::ForgetEntry forget;
  forget.node = node;
  for (const auto& [key, slot] : streams_) {
    const StreamState& stream = slot->state;
    if (stream.node != node || stream.agent.life == 0 || stream.endedNanos != 0) continue;
    const uint64_t accepted = stream.life == stream.agent.life ? stream.ofLife.bytes : 0;
    const uint64_t known = stream.agent.sealed.bytes + stream.agent.knownBytes;
    if (known > accepted) forget.losses.push_back({key, known - accepted});
  }
  return forget;
}

void Ledger::applyForget(uint64_t entry, const wal::ForgetEntry& forget) {
  if (!begin(entry)) return;
  const NodeState* known = findNode(forget.node);
  if (known == nullptr) return;
  for (const wal::ForgetEntry::Loss& loss : forget.losses) {
    StreamState* stream = findMutable(loss.key);
    if (stream != nullptr && stream->node == forget.node) {
      stream->totals.lostWithNode += loss.bytes;
    }
  }
  // The agent's last word is the node's last sign of life.
  const int64_t ended = std::max<int64_t>(known->statsNanos, 1);
  for (auto& [key, slot] : streams_) {
    StreamState& stream = slot->state;
    if (stream.node == forget.node && stream.endedNanos == 0) stream.endedNanos = ended;
  }
  NodeState& owner = obtainNode(forget.node);
  owner.forgotten = true;
  if (owner.streams == 0) nodes_.erase(forget.node);
}

void Ledger::applyOther(uint64_t entry) {
  begin(entry);
}

}  // namespace logtail::aggregator
