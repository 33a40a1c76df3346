#pragma once
// One record as a line of JSON, schema `fluentbit` (docs/outputs/file.md, "Schema").
//
// Flow: Batch -> JsonEncoder -> an output's buffer. What is the same for all records of a stream is
// rendered once (renderSuffix); a record costs no allocation. Owned by one output, its thread only.

#include <cstdint>
#include <string>
#include <string_view>

#include "common/event/record.h"
#include "outputs/json_escape.h"
#include "outputs/utc_time.h"

namespace logtail::outputs {

// From `,"kubernetes":{` to the newline. `dedot`: dots in the keys of labels and annotations become
// underscores, unless that would give a key twice.
std::string renderSuffix(const event::StreamDescription& stream, bool dedot);

class JsonEncoder {
 public:
  // Room store() needs for a record.
  static size_t maxLine(const event::Record& record, std::string_view suffix) {
    return maxEscaped(record.message.size()) + suffix.size() + kMaxFixed;
  }

  // Writes the line at `at` (room for maxLine) and returns the position after its newline.
  // `blockFlags` are those of the record's block (event::BlockFlag).
  char* store(const event::StreamKey& stream, uint32_t blockFlags, const event::Record& record,
              std::string_view suffix, char* at);

 private:
  static constexpr size_t kMaxFixed = 256;
  // `{"time":"` and the second, so that one copy writes both.
  static constexpr char kTimeKey[] = "{\"time\":\"";
  static constexpr size_t kTimeKeyChars = sizeof kTimeKey - 1;

  void renderSecond(int64_t second);

  int64_t second_ = INT64_MIN;
  char head_[kTimeKeyChars + kSecondChars + 1];
};

}  // namespace logtail::outputs
