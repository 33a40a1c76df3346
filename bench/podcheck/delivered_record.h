#pragma once
// One record as the file output's default schema has it, as far as it can be checked.

#include <memory>
#include <string>
#include <string_view>

namespace logtail::bench {

// Views live until the next parse and as long as the parsed text.
struct DeliveredRecord {
  std::string_view message;
  std::string_view id;
  std::string_view channel;  // "stdout" or "stderr"
  std::string_view namespaceName;
  std::string_view pod;
  std::string_view podUid;
  std::string_view container;
  std::string_view containerId;  // empty when the record has none
  int64_t restart = -1;          // -1 when the record has none
  bool truncated = false;
};

// Reuses its memory from record to record. One a thread.
class RecordParser {
 public:
  RecordParser();
  ~RecordParser();
  RecordParser(const RecordParser&) = delete;
  RecordParser& operator=(const RecordParser&) = delete;

  // Changes `json` in place. False when it is no such record.
  bool parse(std::string& json, DeliveredRecord& out);

 private:
  struct Memory;
  std::unique_ptr<Memory> memory_;
};

}  // namespace logtail::bench
