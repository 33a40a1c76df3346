#include "outputs/manifest_format.h"

#include <algorithm>

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::outputs {
namespace {

using base::Decoder;

constexpr std::string_view kMagic = "LTOMANI1";
// Its high bytes are in no path, so nothing a record holds can pass for a record after damage.
constexpr uint32_t kRecordMagic = 0xf14d4fff;
constexpr size_t kMaxTarget = 8192;

enum class Kind : uint8_t { kSnapshot = 1, kAnnounce = 2, kCommit = 3 };

void appendRecord(std::string_view payload, std::string& out) {
  const size_t at = out.size();
  base::putFixed(out, kRecordMagic);
  base::putFixed(out, static_cast<uint32_t>(payload.size()));
  base::putFixed(out, base::crc32c(payload));
  base::putFixed(out, base::crc32c({out.data() + at, 12}));
  out.append(payload);
}

void encode(const Tally& tally, std::string& out) {
  base::putVarint(out, tally.records);
  base::putVarint(out, tally.bytes);
  base::putFixed(out, tally.digest);
}

void encode(const StreamCounts& counts, std::string& out) {
  uint8_t present = 0;
  for (size_t i = 0; i < kFates; ++i) {
    if (!(counts.tallies[i] == Tally{})) present |= static_cast<uint8_t>(1u << i);
  }
  base::putFixed(out, present);
  for (size_t i = 0; i < kFates; ++i) {
    if ((present & (1u << i)) != 0) encode(counts.tallies[i], out);
  }
}

StreamCounts decodeCounts(Decoder& in) {
  StreamCounts counts;
  const auto present = in.fixed<uint8_t>();
  if (present >= 1u << kFates) in.fail();
  for (size_t i = 0; i < kFates; ++i) {
    if ((present & (1u << i)) == 0) continue;
    counts.tallies[i].records = in.varint();
    counts.tallies[i].bytes = in.varint();
    counts.tallies[i].digest = in.fixed<uint64_t>();
  }
  return counts;
}

void encode(const event::StreamKey& key, std::string& out) {
  base::putFixed(out, key.hash.low);
  base::putFixed(out, key.hash.high);
}

event::StreamKey decodeKey(Decoder& in) {
  event::StreamKey key;
  key.hash.low = in.fixed<uint64_t>();
  key.hash.high = in.fixed<uint64_t>();
  return key;
}

void encode(const FileEntry& file, std::string& out) {
  base::putBytes(out, file.target);
  base::putVarint(out, file.number);
  base::putFixed(out, static_cast<uint8_t>((file.closed ? 1 : 0) | (file.spent ? 2 : 0)));
  base::putFixed(out, file.inode);
  base::putVarint(out, file.length);
  base::putFixed(out, file.tailHash);
  base::putFixed(out, file.createdNanos);
}

FileEntry decodeFile(Decoder& in) {
  FileEntry file;
  file.target = in.bytes(kMaxTarget);
  const uint64_t number = in.varint();
  if (number > UINT32_MAX) in.fail();
  file.number = static_cast<uint32_t>(number);
  const auto flags = in.fixed<uint8_t>();
  if (flags > 3) in.fail();
  file.closed = (flags & 1) != 0;
  file.spent = (flags & 2) != 0;
  file.inode = in.fixed<uint64_t>();
  file.length = in.varint();
  file.tailHash = in.fixed<uint64_t>();
  file.createdNanos = in.fixed<int64_t>();
  return file;
}

void encodeHead(uint64_t number, const std::optional<wal::Position>& position,
                const StreamCounts& forgotten, std::string& out) {
  base::putVarint(out, number);
  base::putFixed(out, static_cast<uint8_t>(position ? 1 : 0));
  if (position) wal::encode(*position, out);
  encode(forgotten, out);
}

void decodeHead(Decoder& in, CommitRecord& into) {
  into.number = in.varint();
  if (in.fixed<uint8_t>() != 0) into.position = wal::decodePosition(in);
  into.forgotten = decodeCounts(in);
}

void encodeBody(const CommitRecord& commit, std::string& out) {
  base::putVarint(out, commit.files.size());
  for (const FileEntry& file : commit.files) encode(file, out);
  base::putVarint(out, commit.counts.size());
  for (const auto& [key, counts] : commit.counts) {
    encode(key, out);
    encode(counts, out);
  }
}

void decodeBody(Decoder& in, CommitRecord& into) {
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) into.files.push_back(decodeFile(in));
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) {
    const event::StreamKey key = decodeKey(in);
    into.counts.emplace_back(key, decodeCounts(in));
  }
}

// What replay remembers between records.
struct Replay {
  ManifestState& state;
  ManifestReport& report;
  uint64_t parts = 0;  // of the snapshot, as its records say
  uint64_t partsSeen = 0;
  uint64_t base = 0;  // commit number the snapshot was made at
  bool damagedSinceCommit = false;
};

bool replaySnapshot(Decoder& in, Replay& replay) {
  const uint64_t index = in.varint();
  const uint64_t total = in.varint();
  CommitRecord part;
  decodeHead(in, part);
  decodeBody(in, part);
  if (!in.ok() || in.remaining() != 0 || index >= total) return false;
  replay.damagedSinceCommit = false;  // commits follow a snapshot; its own parts are counted
  replay.parts = total;
  replay.base = part.number;
  replay.report.snapshotAt = part.number;
  ++replay.partsSeen;
  apply(part, replay.state);
  return true;
}

bool replayAnnounce(Decoder& in, Replay& replay) {
  std::vector<std::string> paths;
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) paths.emplace_back(in.bytes(kMaxTarget));
  if (!in.ok() || in.remaining() != 0) return false;
  replay.state.announced.insert(paths.begin(), paths.end());
  return true;
}

bool replayCommit(Decoder& in, Replay& replay) {
  CommitRecord commit;
  decodeHead(in, commit);
  decodeBody(in, commit);
  for (uint64_t n = in.varint(); n > 0 && in.ok(); --n) commit.forget.push_back(decodeKey(in));
  if (!in.ok() || in.remaining() != 0) return false;
  // A commit repeats what the one before it said, so one that is missing costs nothing.
  const uint64_t last = std::max(replay.state.number, replay.base);
  if (replay.damagedSinceCommit && commit.number > last + 2) replay.report.uncertain = true;
  replay.damagedSinceCommit = false;
  apply(commit, replay.state);
  return true;
}

// kTooNew for a kind this version does not know; false for a payload that is not what it claims.
base::Result<bool> replayRecord(std::string_view payload, Replay& replay) {
  Decoder in(payload);
  const auto kind = in.fixed<uint8_t>();
  switch (static_cast<Kind>(kind)) {
    case Kind::kSnapshot:
      return replaySnapshot(in, replay);
    case Kind::kAnnounce:
      return replayAnnounce(in, replay);
    case Kind::kCommit:
      return replayCommit(in, replay);
  }
  if (payload.empty()) return false;
  return base::Error{base::Errc::kTooNew, "manifest: record kind " + std::to_string(kind)};
}

// The payload of the record at `at`, if a good one stands there.
bool readRecord(std::string_view bytes, size_t at, std::string_view& payload) {
  if (bytes.size() - at < kManifestRecordHeaderBytes) return false;
  const char* header = bytes.data() + at;
  if (base::loadFixed<uint32_t>(header) != kRecordMagic) return false;
  if (base::crc32c({header, 12}) != base::loadFixed<uint32_t>(header + 12)) return false;
  const auto length = base::loadFixed<uint32_t>(header + 4);
  if (length > bytes.size() - at - kManifestRecordHeaderBytes) return false;
  payload = bytes.substr(at + kManifestRecordHeaderBytes, length);
  return base::crc32c(payload) == base::loadFixed<uint32_t>(header + 8);
}

// Good header: true. Damaged: false. kTooNew when it is whole and says so.
base::Result<bool> checkHeader(std::string_view bytes) {
  if (bytes.size() < kManifestHeaderBytes) return false;
  if (bytes.substr(0, kMagic.size()) != kMagic) return false;
  if (base::crc32c(bytes.substr(0, 20)) != base::loadFixed<uint32_t>(bytes.data() + 20))
    return false;
  const auto version = base::loadFixed<uint32_t>(bytes.data() + 8);
  if (version > kManifestVersion) {
    return base::Error{base::Errc::kTooNew, "manifest: version " + std::to_string(version) +
                                                ", this program knows " +
                                                std::to_string(kManifestVersion)};
  }
  return true;
}

}  // namespace

std::string filePath(const std::string& target, uint32_t number) {
  if (number == 0) return target;
  constexpr std::string_view kZstd = ".zst";
  size_t end = target.size();
  if (std::string_view(target).ends_with(kZstd)) end -= kZstd.size();
  const size_t slash = target.rfind('/', end);
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  const size_t dot = end == 0 ? std::string::npos : target.rfind('.', end - 1);
  const size_t at = dot == std::string::npos || dot <= name ? end : dot;
  return target.substr(0, at) + "_" + std::to_string(number) + target.substr(at);
}

std::string encodeManifestHeader(uint64_t fileNumber) {
  std::string out(kMagic);
  base::putFixed(out, kManifestVersion);
  base::putFixed(out, fileNumber);
  base::putFixed(out, base::crc32c(out));
  return out;
}

void appendCommit(const CommitRecord& commit, std::string& out) {
  std::string payload(1, static_cast<char>(Kind::kCommit));
  encodeHead(commit.number, commit.position, commit.forgotten, payload);
  encodeBody(commit, payload);
  base::putVarint(payload, commit.forget.size());
  for (const event::StreamKey& key : commit.forget) encode(key, payload);
  appendRecord(payload, out);
}

void appendAnnounce(const std::vector<std::string>& paths, std::string& out) {
  std::string payload(1, static_cast<char>(Kind::kAnnounce));
  base::putVarint(payload, paths.size());
  for (const std::string& path : paths) base::putBytes(payload, path);
  appendRecord(payload, out);
}

void appendSnapshot(const ManifestState& state, size_t entriesEach, std::string& out) {
  std::vector<CommitRecord> parts(1);
  const auto part = [&]() -> CommitRecord& {
    if (parts.back().files.size() + parts.back().counts.size() >= entriesEach) parts.emplace_back();
    return parts.back();
  };
  for (const auto& [path, file] : state.files) part().files.push_back(file);
  for (const auto& [key, counts] : state.progress.streams) part().counts.emplace_back(key, counts);
  for (size_t i = 0; i < parts.size(); ++i) {
    std::string payload(1, static_cast<char>(Kind::kSnapshot));
    base::putVarint(payload, i);
    base::putVarint(payload, parts.size());
    encodeHead(state.number, state.progress.position, state.progress.forgotten, payload);
    encodeBody(parts[i], payload);
    appendRecord(payload, out);
  }
}

void apply(const CommitRecord& commit, ManifestState& state) {
  state.number = commit.number;
  if (commit.position) state.progress.position = commit.position;
  state.progress.forgotten = commit.forgotten;
  for (const FileEntry& file : commit.files) {
    const std::string path = filePath(file.target, file.number);
    state.announced.erase(path);
    if (file.closed) {
      state.files.erase(path);
    } else {
      state.files[path] = file;
    }
  }
  for (const auto& [key, counts] : commit.counts) state.progress.streams[key] = counts;
  for (const event::StreamKey& key : commit.forget) state.progress.streams.erase(key);
}

base::Status replayManifest(std::string_view bytes, ManifestState& state, ManifestReport& report) {
  auto header = checkHeader(bytes);
  if (!header.ok()) return header.error();
  Replay replay{state, report};
  size_t at = *header ? kManifestHeaderBytes : 0;
  size_t bad = at;  // where an unreadable region began, if bad < at
  if (!*header) ++report.damagedRegions;
  while (at < bytes.size()) {
    std::string_view payload;
    bool good = readRecord(bytes, at, payload);
    if (good) {
      if (bad < at) {  // told before the record is replayed: it judges what the damage cost
        report.damagedBytes += at - bad;
        report.damagedRegions += bad == 0 && !*header ? 0 : 1;
        replay.damagedSinceCommit = true;
      }
      auto replayed = replayRecord(payload, replay);
      if (!replayed.ok()) return replayed.error();
      good = *replayed;
      if (!good) bad = at;
      at += kManifestRecordHeaderBytes + payload.size();
      if (good) bad = at;
      continue;
    }
    const char first = static_cast<char>(kRecordMagic & 0xff);
    const size_t next = bytes.find(first, at + 1);
    at = next == std::string_view::npos ? bytes.size() : next;
  }
  report.tornBytes += bytes.size() - bad;
  // What follows the damage is no commit, so the newest one may have stood there.
  if (replay.damagedSinceCommit) report.uncertain = true;
  report.incomplete = replay.partsSeen < replay.parts || replay.parts == 0;
  return {};
}

}  // namespace logtail::outputs
