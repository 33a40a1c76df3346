#include "bench/podcheck/delivered_record.h"

#include <rapidjson/document.h>

namespace logtail::bench {
namespace {

constexpr size_t kPoolBytes = 64 * 1024;

using Allocator = rapidjson::MemoryPoolAllocator<>;
using Value = rapidjson::GenericValue<rapidjson::UTF8<>, Allocator>;
using Document = rapidjson::GenericDocument<rapidjson::UTF8<>, Allocator>;

bool text(const Value& object, const char* key, std::string_view& out) {
  const auto at = object.FindMember(key);
  if (at == object.MemberEnd() || !at->value.IsString()) return false;
  out = {at->value.GetString(), at->value.GetStringLength()};
  return true;
}

bool hasFlag(const Value& object, std::string_view flag) {
  const auto at = object.FindMember("logtail_flags");
  if (at == object.MemberEnd() || !at->value.IsArray()) return false;
  for (const Value& value : at->value.GetArray()) {
    if (value.IsString() && flag == std::string_view(value.GetString(), value.GetStringLength())) {
      return true;
    }
  }
  return false;
}

}  // namespace

struct RecordParser::Memory {
  char values[kPoolBytes];
  char stack[kPoolBytes];
};

RecordParser::RecordParser() : memory_(std::make_unique<Memory>()) {}
RecordParser::~RecordParser() = default;

bool RecordParser::parse(std::string& json, DeliveredRecord& out) {
  Allocator values(memory_->values, sizeof memory_->values);
  Allocator stack(memory_->stack, sizeof memory_->stack);
  rapidjson::GenericDocument<rapidjson::UTF8<>, Allocator, Allocator> document(
      &values, sizeof memory_->stack / 2, &stack);
  document.ParseInsitu(json.data());
  if (document.HasParseError() || !document.IsObject()) return false;
  out = DeliveredRecord();
  std::string_view time;
  const auto kubernetes = document.FindMember("kubernetes");
  if (kubernetes == document.MemberEnd() || !kubernetes->value.IsObject()) return false;
  const Value& labels = kubernetes->value;
  if (!text(document, "log", out.message) || !text(document, "stream", out.channel) ||
      !text(document, "time", time) || !text(document, "logtail_id", out.id) ||
      !text(labels, "namespace_name", out.namespaceName) || !text(labels, "pod_name", out.pod) ||
      !text(labels, "pod_id", out.podUid) || !text(labels, "container_name", out.container)) {
    return false;
  }
  (void)text(labels, "docker_id", out.containerId);
  const auto restart = labels.FindMember("restart_count");
  if (restart != labels.MemberEnd() && restart->value.IsInt64()) {
    out.restart = restart->value.GetInt64();
  }
  out.truncated = hasFlag(document, "truncated");
  return true;
}

}  // namespace logtail::bench
