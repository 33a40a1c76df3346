#pragma once
// The ledger as bytes: one record for each stream and node, each with its own CRC, so that damage
// costs what it hits. Format: docs/ledger-format.md.
//
// Flow: Ledger -> encode -> LedgerStore -> file; at start back. Pure functions; any thread that
// holds the ledger's lock. decode() fails with kTooNew for a newer version and with kQuarantine
// when neither the header nor its copy checks; damaged records are skipped and counted.

#include <cstdint>
#include <string>
#include <string_view>

#include "aggregator/ledger.h"

namespace logtail::aggregator {

struct SnapshotHeader {
  uint64_t queueId = 0;
  uint64_t sequence = 0;  // the newest entry that is in it
  bool fromEnd = false;   // the header is damaged; its copy in the end record was taken
};

class LedgerSnapshot {
 public:
  static constexpr size_t kHeaderBytes = 36;  // the same in every version

  static std::string encode(const Ledger& ledger, uint64_t queueId);
  static base::Result<SnapshotHeader> peek(std::string_view bytes);
  // Into an empty ledger. The result is the number of damaged or missing records.
  static base::Result<uint64_t> decode(std::string_view bytes, Ledger& into);

 private:
  static void encodeStream(const StreamState& stream, std::string& out);
  static bool decodeStream(base::Decoder& in, Ledger& into);
  static bool decodeNode(base::Decoder& in, Ledger& into);
  static bool decodeRecord(std::string_view payload, Ledger& into, uint64_t& expected);
};

}  // namespace logtail::aggregator
