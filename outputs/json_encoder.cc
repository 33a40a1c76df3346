#include "outputs/json_encoder.h"

#include <algorithm>
#include <cstring>
#include <set>

namespace logtail::outputs {
namespace {

template <size_t kSize>
inline char* put(const char (&text)[kSize], char* at) {
  std::memcpy(at, text, kSize - 1);
  return at + kSize - 1;
}

char* storeFlags(uint32_t blockFlags, uint8_t flags, char* at) {
  at = put(",\"logtail_flags\":[", at);
  if ((flags & event::kRecordTruncated) != 0) at = put("\"truncated\",", at);
  if ((flags & event::kRecordIncomplete) != 0) at = put("\"incomplete\",", at);
  if ((flags & event::kRecordMalformed) != 0) at = put("\"malformed\",", at);
  if ((blockFlags & event::kBlockInDoubt) != 0) at = put("\"in_doubt\",", at);
  if ((blockFlags & event::kBlockLate) != 0) at = put("\"late\",", at);
  at[-1] = ']';
  return at;
}

void appendString(std::string_view key, std::string_view value, std::string& out) {
  out += '"';
  appendEscaped(key, out);
  out += "\":\"";
  appendEscaped(value, out);
  out += "\",";
}

void appendPairs(std::string_view key,
                 const std::vector<std::pair<std::string, std::string>>& pairs, bool dedot,
                 std::string& out) {
  if (pairs.empty()) return;
  out += '"';
  out += key;
  out += "\":{";
  std::set<std::string> given;  // JSON wants each key once; of two the first counts
  for (const auto& [name, value] : pairs) given.insert(name);
  std::set<std::string> written;
  for (const auto& [name, value] : pairs) {
    std::string shown = name;
    if (dedot) std::replace(shown.begin(), shown.end(), '.', '_');
    if (shown != name && (given.contains(shown) || written.contains(shown))) shown = name;
    if (written.insert(shown).second) appendString(shown, value, out);
  }
  out.back() = '}';
  out += ',';
}

}  // namespace

std::string renderSuffix(const event::StreamDescription& stream, bool dedot) {
  std::string out = ",\"kubernetes\":{";
  appendString("namespace_name", stream.namespaceName, out);
  appendString("pod_name", stream.pod, out);
  appendString("pod_id", stream.podUid, out);
  appendString("container_name", stream.container, out);
  if (!stream.containerId.empty()) appendString("docker_id", stream.containerId, out);
  appendString("host", stream.node, out);
  if (!stream.image.empty()) appendString("container_image", stream.image, out);
  out += "\"restart_count\":" + std::to_string(stream.restart) + ",";
  appendPairs("labels", stream.labels, dedot, out);
  appendPairs("annotations", stream.annotations, dedot, out);
  out.back() = '}';
  out += "}\n";
  return out;
}

void JsonEncoder::renderSecond(int64_t second) {
  second_ = second;
  std::memcpy(head_, kTimeKey, kTimeKeyChars);
  storeSecond(second, head_ + kTimeKeyChars);
  head_[sizeof head_ - 1] = '.';
}

char* JsonEncoder::store(const event::StreamKey& stream, uint32_t blockFlags,
                         const event::Record& record, std::string_view suffix, char* at) {
  const int64_t second = floorDivide(record.timeNanos, kNanosPerSecond);
  if (second != second_) renderSecond(second);
  std::memcpy(at, head_, sizeof head_);
  at += sizeof head_;
  storeNanos(static_cast<uint32_t>(record.timeNanos - second * kNanosPerSecond), at);
  at += 9;
  at = (record.flags & event::kRecordStderr) != 0 ? put("Z\",\"stream\":\"stderr\",\"log\":\"", at)
                                                  : put("Z\",\"stream\":\"stdout\",\"log\":\"", at);
  at = storeEscaped(record.message, at);
  at = put("\",\"logtail_id\":\"", at);
  event::storeRecordId(stream, record.generation, record.offset, at);
  at += event::kRecordIdChars;
  *at++ = '"';
  constexpr uint8_t kShown =
      event::kRecordTruncated | event::kRecordIncomplete | event::kRecordMalformed;
  constexpr uint32_t kBlockShown = event::kBlockInDoubt | event::kBlockLate;
  if ((record.flags & kShown) != 0 || (blockFlags & kBlockShown) != 0) {
    at = storeFlags(blockFlags, record.flags, at);
  }
  std::memcpy(at, suffix.data(), suffix.size());
  return at + suffix.size();
}

}  // namespace logtail::outputs
