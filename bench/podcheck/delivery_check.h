#pragma once
// Compares what an output holds with what podsim wrote: each line once, whole, in its place, in
// order.
//
// Flow: podsim.manifest + result files, record by record -> DeliveryCheck -> CheckReport.
// Order is checked inside each file and, for streams over several files, by their ranges: how files
// are named does not matter. Thread: one. A line that cannot be right is a counted problem, never a
// failure.

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "bench/podcheck/delivered_record.h"
#include "bench/podsim/line.h"
#include "bench/podsim/manifest.h"

namespace logtail::bench {

enum class Problem : uint8_t {
  kMissing,      // written, not delivered
  kDuplicated,   // delivered again
  kTorn,         // its checksum or end is wrong
  kOutOfOrder,   // behind a later line of its stream and channel
  kMislabelled,  // another pod, container or channel than the line says
  kUnknown,      // a line that podsim did not write, by its stream or number
  kForeign,      // a record without a line of podsim
  kSameId,       // two records with one identity
  kUnreadable,   // a file that is damaged, or a line that is no record
};
inline constexpr size_t kProblems = 9;
const char* name(Problem problem);

// The first sequences that were still on disk at some moment; the key is that of a stream's lines.
using StreamName = std::tuple<std::string, std::string, uint32_t, char>;  // pod, container, restart
using Floors = std::map<StreamName, uint64_t>;

struct CheckOptions {
  // A first start that reads from the tail: lines before the first one delivered of a stream and
  // channel, and streams without any, do not count as missing.
  bool allowMissingBefore = false;
  // Missing lines below their stream's floor had no copy left when the agent lost its state: they
  // do not count as missing. A stream that is not here has no such lines.
  Floors floors;
  size_t examples = 10;  // of each problem
};

struct CheckReport {
  uint64_t written = 0;
  uint64_t delivered = 0;  // distinct lines of the manifest, whole or cut at the limit
  uint64_t cut = 0;        // of them, flagged as truncated
  uint64_t skipped = 0;    // missing lines that allowMissingBefore excuses
  uint64_t excused = 0;    // missing lines below their stream's floor
  std::array<uint64_t, kProblems> counts{};
  std::array<std::vector<std::string>, kProblems> examples;

  uint64_t count(Problem problem) const { return counts[static_cast<size_t>(problem)]; }
  bool clean() const;
  std::string toString() const;  // for a person, ends in a newline
};

class DeliveryCheck {
 public:
  DeliveryCheck(const std::vector<StreamCount>& written, const CheckOptions& options);

  void beginFile(const std::string& path);
  void record(std::string& json);  // changed in place
  void unreadable(const std::string& why);
  CheckReport finish();

 private:
  struct Range {  // what one file holds of a stream
    uint64_t first = 0;
    uint64_t last = 0;
  };
  struct Stream {
    StreamCount written;
    std::vector<bool> seen;
    std::vector<Range> ranges;
    uint64_t file = 0;  // the one that ranges.back() is of
  };
  void line(std::string_view text, const DeliveredRecord& record);
  void place(Stream& stream, uint64_t sequence);
  void checkLabels(const Stream& stream, const DeliveredRecord& record);
  void checkRanges(Stream& stream);
  void checkMissing(const StreamName& name, const Stream& stream);
  Stream* find(const LineId& id);
  void add(Problem problem, uint64_t count, std::string example);

  const CheckOptions options_;
  CheckReport report_;
  RecordParser parser_;
  std::map<StreamName, Stream> streams_;
  std::string file_;
  uint64_t fileNumber_ = 0;
  std::vector<uint64_t> ids_;  // hashes of the records' identities
};

}  // namespace logtail::bench
