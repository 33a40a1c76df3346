#pragma once
// One simulated log line: who wrote it, its number, when, and a checksum over all of it.
//
// podsim writes these, podcheck reads them back from an output: a line is whole when its CRC-32C
// checks. Text:   podsim pod=P c=C r=0 ch=o seq=7 t=1700000000000000000 words crc=01234567
// JSON:
// {"sim":"podsim","pod":"P","c":"C","r":0,"ch":"o","seq":7,"t":17…,"msg":"words","crc":"01234567"}
// Multi-line:     the text form, indented as a stack trace's frame, behind a text line.
// The checksum covers everything before " crc=" or ","crc":". Pure functions; any thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace logtail::bench {

enum class LineShape : uint8_t { kText, kJson, kFrame };

struct LineId {
  std::string_view pod;
  std::string_view container;
  uint32_t restart = 0;
  char channel = 'o';  // 'o' stdout, 'e' stderr
  uint64_t sequence = 0;
  int64_t timeNanos = 0;
};

// Appends the line, without a newline, `bytes` long or as short as its fields allow; `variety`
// chooses its words.
void appendLine(std::string& out, LineShape shape, const LineId& id, uint64_t bytes,
                uint64_t variety);

enum class LineCheck : uint8_t {
  kWhole,
  kTorn,     // ours by its head, which `out` holds, but the end or the checksum is not
  kForeign,  // none of ours
};

// Views in `out` point into `line`.
LineCheck checkLine(std::string_view line, LineId& out);

}  // namespace logtail::bench
