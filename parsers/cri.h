#pragma once
// One physical line of a CRI log, by position: `<RFC 3339 time> <stdout|stderr> <P|F>[:tags]
// <message>`. Source: the CRI logging format of Kubernetes (KubeletRuntime "kubelet-cri-logging").
// Pure; no allocation. A fast path takes what containerd and CRI-O write nearly always (nine
// digits, 'Z'); any fraction and offset RFC 3339 allows goes through the general one.

#include <cstdint>
#include <string_view>

namespace logtail::parsers {

// The minute parsed last: consecutive lines nearly always share it. One a caller, no locking.
struct CriTimeCache {
  char minute[17] = {};       // "YYYY-MM-DDTHH:MM:"
  int64_t minuteSeconds = 0;  // since the epoch, of that minute in UTC
};

struct CriLine {
  int64_t timeNanos = 0;
  bool isStderr = false;
  bool partial = false;    // tag P: the record goes on in the channel's next line
  uint32_t messageAt = 0;  // offset of the message in the line
};

enum class CriResult : uint8_t {
  kOk,
  kMalformed,  // no such line; `out` is unspecified
};

// `line` is without its newline. Times from 1970 to 2261 are accepted.
CriResult parseCri(std::string_view line, CriTimeCache& cache, CriLine& out);

}  // namespace logtail::parsers
