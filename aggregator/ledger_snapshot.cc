#include "aggregator/ledger_snapshot.h"

#include <algorithm>
#include <cstring>

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::aggregator {
namespace {

using base::Decoder;
using base::putBytes;
using base::putFixed;
using base::putVarint;

constexpr std::string_view kMagic = "LTLEDG01";
constexpr uint32_t kVersion = 1;
constexpr uint32_t kRecordMagic = 0x524c544c;  // "LTLR"
constexpr size_t kRecordHeaderBytes = 16;
constexpr uint64_t kMaxNode = 4096;
constexpr uint64_t kMaxCounters = 4096;

enum class Kind : uint8_t { kTotals = 1, kNode = 2, kStream = 3, kEnd = 4 };

void putRecord(std::string& out, std::string_view payload) {
  const size_t start = out.size();
  putFixed(out, kRecordMagic);
  putFixed(out, static_cast<uint32_t>(payload.size()));
  putFixed(out, base::crc32c(payload));
  putFixed(out, base::crc32c(std::string_view(out).substr(start, 12)));
  out.append(payload);
}

void putTotals(std::string& out, const StreamTotals& totals) {
  StreamTotals copy = totals;
  uint64_t count = 0;
  copy.visit([&](uint64_t&) { ++count; });
  putVarint(out, count);
  copy.visit([&](uint64_t& value) { putFixed(out, value); });
}

// Fewer counters than are known: an older version wrote them. More: a newer one; they are skipped.
StreamTotals takeTotals(Decoder& in) {
  StreamTotals totals;
  uint64_t left = in.varint();
  if (left > kMaxCounters) in.fail();
  totals.visit([&](uint64_t& value) {
    if (left == 0 || !in.ok()) return;
    value = in.fixed<uint64_t>();
    --left;
  });
  if (in.ok()) in.raw(left * sizeof(uint64_t));
  return totals;
}

void putCounts(std::string& out, const LifeCounts& counts) {
  putVarint(out, counts.bytes);
  putVarint(out, counts.records);
  putFixed(out, counts.digest);
}
LifeCounts takeCounts(Decoder& in) {
  LifeCounts counts;
  counts.bytes = in.varint();
  counts.records = in.varint();
  counts.digest = in.fixed<uint64_t>();
  return counts;
}

void encodeNode(const NodeState& node, std::string& out) {
  out.push_back(static_cast<char>(Kind::kNode));
  putBytes(out, node.name);
  putFixed(out, node.life);
  putVarint(out, node.lastFrame);
  putFixed(out, node.statsLife);
  putFixed(out, node.statsNanos);
  putVarint(out, node.statsPendingBytes);
  putVarint(out, node.forcedForgets);
  out.push_back(static_cast<char>((node.statsFinal ? 1 : 0) | (node.unproven ? 2 : 0) |
                                  (node.forgotten ? 4 : 0)));
}

// The payload of the record at `at`, which findRecord() gave; empty when its CRC is wrong.
std::string_view payloadAt(std::string_view bytes, size_t at) {
  const uint32_t length = base::loadFixed<uint32_t>(bytes.data() + at + 4);
  const std::string_view payload = bytes.substr(at + kRecordHeaderBytes, length);
  const bool whole = base::loadFixed<uint32_t>(bytes.data() + at + 8) == base::crc32c(payload);
  return whole ? payload : std::string_view();
}

// The next record at or behind `at`; npos when there is none. Damage is stepped over byte by byte.
size_t findRecord(std::string_view bytes, size_t at) {
  for (; at + kRecordHeaderBytes <= bytes.size(); ++at) {
    if (base::loadFixed<uint32_t>(bytes.data() + at) != kRecordMagic) continue;
    const uint32_t length = base::loadFixed<uint32_t>(bytes.data() + at + 4);
    if (base::loadFixed<uint32_t>(bytes.data() + at + 12) != base::crc32c(bytes.substr(at, 12))) {
      continue;
    }
    if (length <= bytes.size() - at - kRecordHeaderBytes) return at;
  }
  return std::string_view::npos;
}

// What the end record holds of the header, for when the header itself is damaged.
bool headerFromEnd(std::string_view bytes, uint32_t& version, SnapshotHeader& header) {
  for (size_t at = findRecord(bytes, 0); at != std::string_view::npos;) {
    const std::string_view payload = payloadAt(bytes, at);
    at = findRecord(bytes, at + kRecordHeaderBytes + payload.size());
    if (payload.empty() || static_cast<Kind>(payload[0]) != Kind::kEnd) continue;
    Decoder in(payload.substr(1));
    in.varint();
    version = in.fixed<uint32_t>();
    header.queueId = in.fixed<uint64_t>();
    header.sequence = in.fixed<uint64_t>();
    return in.ok();
  }
  return false;
}

}  // namespace

void LedgerSnapshot::encodeStream(const StreamState& stream, std::string& out) {
  out.push_back(static_cast<char>(Kind::kStream));
  putFixed(out, stream.key.hash.low);
  putFixed(out, stream.key.hash.high);
  putBytes(out, stream.node);
  putBytes(out, stream.description);
  event::encode(stream.resume, out);
  putTotals(out, stream.totals);
  putFixed(out, stream.life);
  putCounts(out, stream.ofLife);
  putFixed(out, stream.agent.life);
  putVarint(out, stream.agent.readBytes);
  putVarint(out, stream.agent.rereadBytes);
  putVarint(out, stream.agent.knownBytes);
  putVarint(out, stream.agent.pendingBytes);
  putCounts(out, stream.agent.sealed);
  putCounts(out, stream.agent.accepted);
  putFixed(out, stream.endedNanos);
  out.push_back(static_cast<char>((stream.inDoubt ? 1 : 0) | (stream.rebuilt ? 2 : 0)));
}

std::string LedgerSnapshot::encode(const Ledger& ledger, uint64_t queueId) {
  std::string out;
  out.reserve(kHeaderBytes + ledger.streams_.size() * 600);
  out.append(kMagic);
  putFixed(out, kVersion);
  putFixed(out, uint32_t{0});
  putFixed(out, queueId);
  putFixed(out, ledger.sequence_);
  putFixed(out, base::crc32c(out));

  std::string payload(1, static_cast<char>(Kind::kTotals));
  putTotals(payload, ledger.retired_);
  putVarint(payload, ledger.damagedRecords_);
  putRecord(out, payload);
  for (const auto& [name, node] : ledger.nodes_) {
    payload.clear();
    encodeNode(node, payload);
    putRecord(out, payload);
  }
  for (const auto& [key, slot] : ledger.streams_) {
    payload.clear();
    encodeStream(slot->state, payload);
    putRecord(out, payload);
  }
  payload.assign(1, static_cast<char>(Kind::kEnd));
  putVarint(payload, 1 + ledger.nodes_.size() + ledger.streams_.size());
  putFixed(payload, kVersion);
  putFixed(payload, queueId);
  putFixed(payload, ledger.sequence_);
  putRecord(out, payload);
  return out;
}

base::Result<SnapshotHeader> LedgerSnapshot::peek(std::string_view bytes) {
  const bool whole =
      bytes.size() >= kHeaderBytes && bytes.substr(0, 8) == kMagic &&
      base::loadFixed<uint32_t>(bytes.data() + 32) == base::crc32c(bytes.substr(0, 32));
  uint32_t version = 0;
  SnapshotHeader header;
  if (whole) {
    version = base::loadFixed<uint32_t>(bytes.data() + 8);
    header = {base::loadFixed<uint64_t>(bytes.data() + 16),
              base::loadFixed<uint64_t>(bytes.data() + 24)};
  } else if (!headerFromEnd(bytes, version, header)) {
    return {base::Errc::kQuarantine, "no ledger snapshot, or its header is damaged"};
  }
  if (version > kVersion) {
    return {base::Errc::kTooNew, "ledger snapshot of version " + std::to_string(version) +
                                     "; this program reads up to " + std::to_string(kVersion)};
  }
  header.fromEnd = !whole;
  return header;
}

bool LedgerSnapshot::decodeNode(Decoder& in, Ledger& into) {
  NodeState node;
  node.name = in.bytes(kMaxNode);
  node.life = in.fixed<uint64_t>();
  node.lastFrame = in.varint();
  node.statsLife = in.fixed<uint64_t>();
  node.statsNanos = in.fixed<int64_t>();
  node.statsPendingBytes = in.varint();
  node.forcedForgets = in.varint();
  const auto flags = in.fixed<uint8_t>();
  if (!in.ok()) return false;
  node.statsFinal = (flags & 1) != 0;
  node.unproven = (flags & 2) != 0;
  node.forgotten = (flags & 4) != 0;
  NodeState& known = into.obtainNode(node.name);
  node.streams = known.streams;
  known = std::move(node);
  return true;
}

bool LedgerSnapshot::decodeStream(Decoder& in, Ledger& into) {
  StreamState stream;
  stream.key.hash.low = in.fixed<uint64_t>();
  stream.key.hash.high = in.fixed<uint64_t>();
  stream.node = in.bytes(kMaxNode);
  stream.description = in.bytes(event::kMaxStreamDescription);
  stream.resume = event::decodeResume(in);
  stream.totals = takeTotals(in);
  stream.life = in.fixed<uint64_t>();
  stream.ofLife = takeCounts(in);
  stream.agent.life = in.fixed<uint64_t>();
  stream.agent.readBytes = in.varint();
  stream.agent.rereadBytes = in.varint();
  stream.agent.knownBytes = in.varint();
  stream.agent.pendingBytes = in.varint();
  stream.agent.sealed = takeCounts(in);
  stream.agent.accepted = takeCounts(in);
  stream.endedNanos = in.fixed<int64_t>();
  const auto flags = in.fixed<uint8_t>();
  if (!in.ok()) return false;
  stream.inDoubt = (flags & 1) != 0;
  stream.rebuilt = (flags & 2) != 0;
  if (into.find(stream.key) != nullptr) return false;  // twice: one of them is not its own
  StreamState& slot = into.obtain(stream.node, stream.key);
  slot = std::move(stream);
  return true;
}

bool LedgerSnapshot::decodeRecord(std::string_view payload, Ledger& into, uint64_t& expected) {
  Decoder in(payload);
  switch (static_cast<Kind>(in.fixed<uint8_t>())) {
    case Kind::kTotals:
      into.retired_ = takeTotals(in);
      into.damagedRecords_ = in.varint();
      return in.ok();
    case Kind::kNode:
      return decodeNode(in, into);
    case Kind::kStream:
      return decodeStream(in, into);
    case Kind::kEnd:
      expected = in.varint();
      return in.ok();
  }
  return true;  // a kind of a newer writer that readers may skip
}

base::Result<uint64_t> LedgerSnapshot::decode(std::string_view bytes, Ledger& into) {
  const base::Result<SnapshotHeader> header = peek(bytes);
  if (!header.ok()) return header.error();
  uint64_t records = 0;
  uint64_t expected = 0;
  uint64_t damaged = header->fromEnd ? 1 : 0;
  size_t at = kHeaderBytes;
  for (;;) {
    const size_t next = findRecord(bytes, at);
    // A hole that no record's CRC covers any more counts at least once, also without the end
    // record.
    if (next != at && at != bytes.size()) ++damaged;
    if (next == std::string_view::npos) break;
    at = next + kRecordHeaderBytes + base::loadFixed<uint32_t>(bytes.data() + next + 4);
    const std::string_view payload = payloadAt(bytes, next);
    if (payload.empty() || !decodeRecord(payload, into, expected)) {
      ++damaged;
      continue;
    }
    ++records;
  }
  if (expected == 0) {
    damaged = std::max<uint64_t>(damaged, 1);  // cut off
  } else if (records < expected + 1) {
    damaged = std::max(damaged, expected + 1 - records);  // whole holes of them
  }
  into.sequence_ = header->sequence;
  into.damagedRecords_ += damaged;
  return damaged;
}

}  // namespace logtail::aggregator
