#pragma once
// Short words for ledger tests: streams, block headers that keep the law, frames.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "aggregator/ledger.h"
#include "common/base/checksum.h"

namespace logtail::aggregator {

inline event::StreamDescription describe(const std::string& node, const std::string& pod) {
  event::StreamDescription description;
  description.cluster = "test";
  description.node = node;
  description.namespaceName = "shop";
  description.pod = pod;
  description.podUid = "uid-" + pod;
  description.container = "app";
  return description;
}

inline std::string encoded(const event::StreamDescription& description) {
  std::string out;
  event::encode(description, out);
  return out;
}

// A block of whole records: all of its bytes are record bytes.
inline event::BlockHeader block(const event::StreamKey& key, uint64_t from, uint64_t to,
                                uint64_t fingerprint = 1, uint32_t ordinal = 0) {
  event::BlockHeader b;
  b.stream = key;
  b.generation = {fingerprint, 0};
  b.ordinal = ordinal;
  b.from = from;
  b.to = to;
  b.recordBytes = to - from;
  b.records = to > from ? 1 : 0;
  b.digest = b.records > 0 ? base::mix64(from + fingerprint) : 0;
  b.observedNanos = 7;
  b.minTimeNanos = b.maxTimeNanos = b.records > 0 ? 5 : 0;
  b.tailHash = to;
  return b;
}

inline event::ChannelState openAt(uint64_t offset, uint64_t bytes, uint64_t fingerprint = 1) {
  return {event::ChannelState::Kind::kOpen, {fingerprint, 0}, offset, bytes};
}

class LedgerFixture : public testing::Test {
 protected:
  using Kind = Admission::Kind;

  event::StreamKey open(const std::string& node, const std::string& pod,
                        const event::Resume* declared = nullptr) {
    const event::StreamDescription description = describe(node, pod);
    ledger.applyOpen(++entry, node, description.key(), encoded(description), declared);
    return description.key();
  }

  Admission judge(const std::string& node, const std::vector<event::BlockHeader>& blocks) {
    Admission out;
    ledger.admit({node, life, frame + 1}, blocks, out);
    return out;
  }

  // Judges and, when admitted, applies: what the receiver does.
  Admission send(const std::string& node, const std::vector<event::BlockHeader>& blocks) {
    Admission out = judge(node, blocks);
    if (out.kind == Kind::kAdmit) {
      ledger.apply(++entry, {node, life, ++frame}, blocks, out.verdicts);
    }
    return out;
  }

  const StreamTotals& totals(const event::StreamKey& key) const { return ledger.find(key)->totals; }

  static bool lawHolds(const StreamState& stream) {
    const StreamTotals& t = stream.totals;
    return t.consumedBytes + t.openAdjust ==
           t.content.recordBytes + t.dropBytes() + t.lostBytes() + stream.openBytes();
  }

  base::MemoryBudget budget{64 << 20};
  Ledger ledger{Ledger::Limits{}, budget};
  uint64_t entry = 0;
  uint64_t life = 0x11fe;
  uint64_t frame = 0;
};

}  // namespace logtail::aggregator
