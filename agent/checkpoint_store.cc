#include "agent/checkpoint_store.h"

#include <algorithm>

#include "common/base/checksum.h"
#include "common/base/coding.h"

namespace logtail::agent {
namespace {

constexpr std::string_view kMagic = "LTCKPT01";
constexpr std::string_view kEntryMagic = "LTCE";
constexpr size_t kHeaderBytes = 20;
constexpr size_t kEntryHeaderBytes = 12;
constexpr uint32_t kMaxEntryBytes = 1024 * 1024;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 30;
constexpr uint8_t kStreamEntry = 1;
constexpr uint8_t kStatsEntry = 2;
constexpr uint8_t kEndedFlag = 1u << 0;

void putEntry(std::string& out, std::string_view payload) {
  out.append(kEntryMagic);
  const size_t checked = out.size();
  base::putFixed(out, static_cast<uint32_t>(payload.size()));
  const uint32_t crc = base::crc32c(payload, base::crc32c({out.data() + checked, 4}));
  base::putFixed(out, crc);
  out.append(payload);
}

// The payload of the entry that begins `bytes`; none when that is no whole entry.
std::optional<std::string_view> entryAt(std::string_view bytes) {
  if (bytes.size() < kEntryHeaderBytes || !bytes.starts_with(kEntryMagic)) return std::nullopt;
  const auto length = base::loadFixed<uint32_t>(bytes.data() + 4);
  if (length > kMaxEntryBytes || length > bytes.size() - kEntryHeaderBytes) return std::nullopt;
  const std::string_view payload = bytes.substr(kEntryHeaderBytes, length);
  const uint32_t crc = base::crc32c(payload, base::crc32c(bytes.substr(4, 4)));
  if (crc != base::loadFixed<uint32_t>(bytes.data() + 8)) return std::nullopt;
  return payload;
}

}  // namespace

CheckpointStore::CheckpointStore(base::FileSystem& files, base::Clock& clock, std::string directory)
    : files_(files), clock_(clock), directory_(std::move(directory)) {}

base::Status CheckpointStore::load() {
  LOGTAIL_TRY(files_.createDirectories(directory_));
  auto bytes = base::readFile(files_, path(), kMaxFileBytes);
  if (!bytes.ok() && bytes.code() == base::Errc::kNotFound) return {};
  if (bytes.ok() || bytes.code() == base::Errc::kQuarantine) fresh_ = false;
  if (!bytes.ok() && bytes.code() == base::Errc::kQuarantine) {
    damagedEntries_ = 1;
    return {};
  }
  if (!bytes.ok()) return bytes.error();
  return decode(*bytes);
}

base::Status CheckpointStore::decode(std::string_view bytes) {
  std::optional<uint32_t> expected;
  if (bytes.size() >= kHeaderBytes && bytes.starts_with(kMagic) &&
      base::crc32c(bytes.substr(0, kHeaderBytes - 4)) ==
          base::loadFixed<uint32_t>(bytes.data() + kHeaderBytes - 4)) {
    const auto version = base::loadFixed<uint32_t>(bytes.data() + 8);
    if (version > kVersion) {
      return {base::Errc::kTooNew, path() + ": format version " + std::to_string(version) +
                                       ", this agent knows up to " + std::to_string(kVersion)};
    }
    expected = base::loadFixed<uint32_t>(bytes.data() + 12);
  }
  uint64_t good = 0;
  uint64_t holes = 0;
  size_t at = std::min(expected ? kHeaderBytes : 0, bytes.size());
  while (at < bytes.size()) {
    if (const auto payload = entryAt(bytes.substr(at))) {
      good += decodeEntry(*payload) ? 1 : 0;
      at += kEntryHeaderBytes + payload->size();
      continue;
    }
    // Damage: go on with the next whole entry.
    ++holes;
    do {
      at = std::min(bytes.find(kEntryMagic, at + 1), bytes.size());
    } while (at < bytes.size() && !entryAt(bytes.substr(at)));
  }
  damagedEntries_ = expected ? std::max<uint64_t>(*expected > good ? *expected - good : 0, holes)
                             : std::max<uint64_t>(holes, 1);
  return {};
}

bool CheckpointStore::decodeEntry(std::string_view payload) {
  base::Decoder in(payload);
  const auto kind = in.fixed<uint8_t>();
  if (kind == kStatsEntry) {
    lastStats_ = in.bytes(kMaxEntryBytes);
    return in.ok();
  }
  if (kind != kStreamEntry) return false;
  event::StreamKey key;
  Entry entry;
  key.hash.low = in.fixed<uint64_t>();
  key.hash.high = in.fixed<uint64_t>();
  entry.ended = (in.fixed<uint8_t>() & kEndedFlag) != 0;
  entry.queueId = in.fixed<uint64_t>();
  entry.description = in.bytes(event::kMaxStreamDescription);
  entry.resume = event::decodeResume(in);
  if (!in.ok() || entry.queueId == 0) return false;
  entries_.insert_or_assign(key, std::move(entry));
  return true;
}

const CheckpointStore::Entry* CheckpointStore::find(const event::StreamKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

void CheckpointStore::forEach(
    const std::function<void(const event::StreamKey&, const Entry&)>& visit) const {
  for (const auto& [key, entry] : entries_) visit(key, entry);
}

void CheckpointStore::setLastStats(std::string body) {
  if (body.size() > kMaxEntryBytes / 2) return;
  lastStats_ = std::move(body);
  ++changes_;
}

void CheckpointStore::describe(const event::StreamKey& key, std::string description) {
  Entry& entry = entries_[key];
  if (entry.description == description) return;
  entry.description = std::move(description);
  if (entry.queueId != 0) ++changes_;
}

void CheckpointStore::acknowledged(const event::BlockHeader& block, uint64_t queueId) {
  const auto found = entries_.find(block.stream);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  // As the ledger declares a start: whoever begins further on, or not with the oldest file.
  if (entry.resume.empty() && (block.from > 0 || block.ordinal > 0)) {
    entry.resume.startTimeNanos = block.records > 0 ? block.minTimeNanos : block.observedNanos;
  }
  entry.resume.advance(block);
  if ((block.flags & event::kBlockTailLost) != 0) {
    for (event::GenerationResume& generation : entry.resume.generations) {
      if (generation.id == block.generation) generation.end = true;
    }
  }
  entry.queueId = queueId;
  ++changes_;
}

void CheckpointStore::adopt(const event::StreamKey& key, uint64_t queueId,
                            const event::Resume& resume) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || resume.empty()) return;
  if (found->second.queueId == queueId && found->second.resume == resume) return;
  found->second.queueId = queueId;
  found->second.resume = resume;
  ++changes_;
}

void CheckpointStore::markEnded(const event::StreamKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end() || found->second.ended) return;
  found->second.ended = true;
  if (found->second.queueId != 0) ++changes_;
}

void CheckpointStore::forget(const event::StreamKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  if (found->second.queueId != 0) ++changes_;
  entries_.erase(found);
}

std::optional<base::Nanos> CheckpointStore::dueAt() const {
  if (!dirty() || saving_ > 0) return std::nullopt;
  return notBefore_;
}

CheckpointStore::Snapshot CheckpointStore::beginSave() {
  ++saving_;
  std::string entries;
  std::string payload;
  uint32_t count = 0;
  for (const auto& [key, entry] : entries_) {
    if (entry.queueId == 0) continue;
    payload.assign(1, static_cast<char>(kStreamEntry));
    base::putFixed(payload, key.hash.low);
    base::putFixed(payload, key.hash.high);
    payload.push_back(static_cast<char>(entry.ended ? kEndedFlag : 0));
    base::putFixed(payload, entry.queueId);
    base::putBytes(payload, entry.description);
    event::encode(entry.resume, payload);
    putEntry(entries, payload);
    ++count;
  }
  if (!lastStats_.empty()) {
    payload.assign(1, static_cast<char>(kStatsEntry));
    base::putBytes(payload, lastStats_);
    putEntry(entries, payload);
    ++count;
  }
  std::string state(kMagic);
  base::putFixed(state, kVersion);
  base::putFixed(state, count);
  base::putFixed(state, base::crc32c(state));
  return {state.append(entries), changes_};
}

base::Status CheckpointStore::write(const Snapshot& snapshot) const {
  return base::writeFileAtomically(files_, path(), snapshot.bytes);
}

void CheckpointStore::finishSave(const Snapshot& snapshot, const base::Status& status) {
  --saving_;
  notBefore_ = clock_.steady() + kInterval;
  if (status.ok()) savedChanges_ = std::max(savedChanges_, snapshot.changes);
}

base::Status CheckpointStore::save() {
  const Snapshot snapshot = beginSave();
  base::Status status = write(snapshot);
  finishSave(snapshot, status);
  return status;
}

}  // namespace logtail::agent
