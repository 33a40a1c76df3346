#include "bench/podsim/manifest.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <limits>
#include <string_view>

#include "common/base/file_system.h"

namespace logtail::bench {
namespace {

using base::Errc;
using base::Error;

void appendStream(std::string& out, const StreamCount& stream) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  const auto text = [&](const char* key, const std::string& value) {
    json.Key(key);
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  const auto number = [&](const char* key, uint64_t value) {
    json.Key(key);
    json.Uint64(value);
  };
  json.StartObject();
  text("namespace", stream.namespaceName);
  text("pod", stream.pod);
  text("uid", stream.podUid);
  text("container", stream.container);
  text("container_id", stream.containerId);
  number("restart", stream.restart);
  text("channel", std::string(1, stream.channel));
  number("lines", stream.lines);
  number("first", stream.firstSequence);
  number("last", stream.lastSequence);
  json.Key("alive");
  json.Bool(stream.alive);
  json.EndObject();
  out.append(buffer.GetString(), buffer.GetSize());
  out += '\n';
}

bool readStream(std::string_view line, StreamCount& out) {
  rapidjson::Document json;
  json.Parse(line.data(), line.size());
  if (json.HasParseError() || !json.IsObject()) return false;
  bool ok = true;
  const auto text = [&](const char* key) -> std::string {
    const auto at = json.FindMember(key);
    if (at == json.MemberEnd() || !at->value.IsString()) return ok = false, std::string();
    return {at->value.GetString(), at->value.GetStringLength()};
  };
  const auto number = [&](const char* key) -> uint64_t {
    const auto at = json.FindMember(key);
    if (at == json.MemberEnd() || !at->value.IsUint64()) return ok = false, 0;
    return at->value.GetUint64();
  };
  out.namespaceName = text("namespace");
  out.pod = text("pod");
  out.podUid = text("uid");
  out.container = text("container");
  out.containerId = text("container_id");
  out.restart = static_cast<uint32_t>(number("restart"));
  const std::string channel = text("channel");
  ok = ok && channel.size() == 1;
  if (ok) out.channel = channel[0];
  out.lines = number("lines");
  out.firstSequence = number("first");
  out.lastSequence = number("last");
  const auto alive = json.FindMember("alive");
  out.alive = alive != json.MemberEnd() && alive->value.IsTrue();
  return ok;
}

}  // namespace

std::string manifestPath(const std::string& root) {
  return root + "/podsim.manifest";
}

base::Result<std::vector<StreamCount>> readManifest(const std::string& root) {
  const std::string path = manifestPath(root);
  auto bytes = base::readFile(base::posixFileSystem(), path, std::numeric_limits<uint32_t>::max());
  if (!bytes.ok()) return bytes.error();
  std::vector<StreamCount> streams;
  std::string_view left = *bytes;
  while (!left.empty()) {
    const size_t end = left.find('\n');
    const std::string_view line = left.substr(0, end);
    left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    StreamCount stream;
    if (!readStream(line, stream)) {
      return Error{Errc::kFixInput, path + ": line " + std::to_string(streams.size() + 1) +
                                        " is no stream of podsim"};
    }
    streams.push_back(std::move(stream));
  }
  return streams;
}

base::Status writeManifest(const std::string& root, const std::vector<StreamCount>& streams) {
  std::string out;
  for (const StreamCount& stream : streams) appendStream(out, stream);
  return base::writeFileAtomically(base::posixFileSystem(), manifestPath(root), out);
}

}  // namespace logtail::bench
