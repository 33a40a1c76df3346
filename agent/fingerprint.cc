#include "agent/fingerprint.h"

#include <algorithm>
#include <string_view>

#include "common/event/block.h"

namespace logtail::agent {

base::Result<std::optional<uint64_t>> fingerprint(LogFile& file, bool final) {
  if (const auto stored = file.storedFingerprint()) return stored;
  char head[event::kFingerprintBytes];
  const auto got = file.readAt(0, head);
  if (!got.ok()) return got.error();
  const std::string_view bytes(head, *got);
  const size_t newline = bytes.find('\n');
  if (newline != std::string_view::npos) {
    return std::optional(base::hash64(bytes.substr(0, newline + 1)));
  }
  if (bytes.size() == sizeof head || (final && !bytes.empty())) {
    return std::optional(base::hash64(bytes));
  }
  return std::optional<uint64_t>();
}

base::Result<uint64_t> tailHash(LogFile& file, uint64_t to) {
  if (to == 0) return uint64_t{0};
  char tail[event::kTailBytes];
  const auto lead = static_cast<size_t>(std::min<uint64_t>(to, sizeof tail));
  const auto got = file.readAt(to - lead, std::span(tail, lead));
  if (!got.ok()) return got.error();
  if (*got < lead) return base::Error{base::Errc::kNotFound, "the file is shorter"};
  return base::hash64({tail, lead});
}

bool holdsUpTo(LogFile& file, uint64_t to, uint64_t tail) {
  if (to == 0) return true;
  if (tail == 0) return file.size().value_or(to) >= to;
  const auto found = tailHash(file, to);
  return found.ok() && *found == tail;
}

}  // namespace logtail::agent
