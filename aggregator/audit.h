#pragma once
// Is every byte accounted for? Compares what was counted at each hop, each where it happened:
// agents' STATS, the ledger, and what each output wrote; what is under way is counted from the
// queue's block headers between an output's cursor and the ledger's position, never by subtraction.
//
// Flow: ledger (a copy at one sequence) + outputs' progress + queue -> takeAudit() -> Audit ->
// JSON. Pure but for reading the queue. Any thread; the ledger's lock is not held while the queue
// is read.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/intake.h"
#include "common/base/file_system.h"
#include "common/wal/segment_list.h"
#include "outputs/output_runner.h"

namespace logtail::aggregator {

struct AuditedOutput {
  std::string id;
  outputs::Progress progress;
};

// What the audit looks at, taken at one moment.
struct AuditInput {
  uint64_t sequence = 0;  // of the ledger's newest entry
  uint64_t durable = 0;   // of the queue, then: behind it entries wait for room
  std::vector<StreamState> streams;
  std::vector<NodeState> nodes;
  StreamTotals retired;  // of streams let go
  uint64_t damagedRecords = 0;
  uint64_t lostAfterAck = 0;  // entries, from recovery and readers
  std::vector<AuditedOutput> outputs;
  int64_t nowNanos = 0;
  int64_t silentAfterNanos = 30'000'000'000;
};

enum class AuditResult : uint8_t { kClean = 0, kUnaccounted = 1, kIncomplete = 3 };  // exit codes

struct OutputAudit {
  std::string id;
  uint64_t position = 0;
  outputs::StreamCounts delivered;  // of all streams
  Content inFlight;
};

struct Audit {
  AuditResult result = AuditResult::kClean;
  std::vector<std::string> unaccounted;  // one line each: check, stream, figures
  std::vector<std::string> incomplete;
  std::vector<std::string> possibleRepeats;  // for a person to judge: no failure by themselves
  std::vector<OutputAudit> outputs;
  StreamTotals totals;
  uint64_t openBytes = 0;
  uint64_t readBytes = 0;  // agents' STATS, of their present lives
  uint64_t sealedBytes = 0;
  uint64_t unreadBytes = 0;  // in files, not sealed yet
};

using RunningOutputs = std::vector<std::unique_ptr<outputs::OutputRunner>>;

// The moment's figures, once the ledger's newest entry is durable (or a few seconds have passed).
AuditInput gatherAudit(Intake& intake, const RunningOutputs& outputs, const wal::SegmentList& queue,
                       base::Clock& clock);

Audit takeAudit(const AuditInput& input, base::FileSystem& fs, const wal::SegmentList& queue);

// `perStream`: with every stream's own figures.
std::string toJson(const Audit& audit, const AuditInput& input, bool perStream);

}  // namespace logtail::aggregator
