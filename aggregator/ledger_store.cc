#include "aggregator/ledger_store.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "aggregator/ledger_snapshot.h"
#include "common/base/log.h"

namespace logtail::aggregator {
namespace {

constexpr std::string_view kSuffix = ".snap";
constexpr uint64_t kMaxSnapshot = uint64_t{4} << 30;
constexpr size_t kKept = 2;

std::optional<uint64_t> sequenceOf(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + 16, sequence, 16);
  if (error != std::errc() || end != name.data() + 16) return std::nullopt;
  return sequence;
}

}  // namespace

std::string LedgerStore::path(uint64_t sequence) const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string name(16, '0');
  for (size_t i = 0; i < 16; ++i) name[15 - i] = kDigits[(sequence >> (4 * i)) & 15];
  return directory_ + "/" + name + std::string(kSuffix);
}

base::Result<std::vector<uint64_t>> LedgerStore::list(base::FileSystem& fs,
                                                      const std::string& directory) {
  base::Result<std::vector<std::string>> names = fs.list(directory);
  if (!names.ok()) return names.error();
  std::vector<uint64_t> sequences;
  for (const std::string& name : *names) {
    if (const auto sequence = sequenceOf(name)) sequences.push_back(*sequence);
  }
  std::sort(sequences.begin(), sequences.end());
  return sequences;
}

void LedgerStore::setAside(uint64_t sequence, const char* suffix) {
  const base::Status renamed = fs_.rename(path(sequence), path(sequence) + suffix);
  if (!renamed.ok()) base::logWarn("ledger snapshot " + path(sequence) + ": " + renamed.message());
}

base::Result<LedgerStore::Usable> LedgerStore::tryLoad(uint64_t sequence, Ledger& into,
                                                       uint64_t& damagedRecords) {
  const base::Result<std::string> bytes = base::readFile(fs_, path(sequence), kMaxSnapshot);
  if (!bytes.ok()) {
    base::logError("ledger snapshot " + path(sequence) + ": " + bytes.message());
    return Usable::kNot;
  }
  const base::Result<SnapshotHeader> header = LedgerSnapshot::peek(*bytes);
  if (!header.ok()) {
    if (header.code() == base::Errc::kTooNew) {
      return {base::Errc::kTooNew, path(sequence) + ": " + header.message()};
    }
    return Usable::kNot;
  }
  if (header->queueId != queueId_) return Usable::kForeign;
  if (header->sequence != sequence) return Usable::kNot;  // replay would begin at a wrong place
  into.clear();
  const base::Result<uint64_t> damaged = LedgerSnapshot::decode(*bytes, into);
  if (!damaged.ok()) return Usable::kNot;
  damagedRecords = *damaged;
  return *damaged == 0 ? Usable::kWhole : Usable::kPartly;
}

base::Result<LedgerStore::Loaded> LedgerStore::load(Ledger& into, uint64_t oldestEntry) {
  LOGTAIL_TRY(fs_.createDirectories(directory_));
  base::Result<std::vector<uint64_t>> listed = list(fs_, directory_);
  if (!listed.ok()) return listed.error();
  Loaded loaded;
  std::vector<uint64_t> foreign;
  std::optional<uint64_t> partly;  // the newest damaged one that gave anything
  std::optional<uint64_t> used;
  for (auto at = listed->rbegin(); at != listed->rend() && !used.has_value(); ++at) {
    uint64_t damagedRecords = 0;
    base::Result<Usable> usable = tryLoad(*at, into, damagedRecords);
    if (!usable.ok()) return usable.error();
    if (*usable == Usable::kForeign) {
      foreign.push_back(*at);
    } else if (*usable == Usable::kWhole && (!partly.has_value() || *at + 1 >= oldestEntry)) {
      used = *at;
    } else {
      ++loaded.snapshotsDamaged;
      if (*usable == Usable::kPartly && !partly.has_value()) partly = *at;
      base::logWarn("ledger snapshot " + path(*at) + " is damaged");
    }
  }
  if (!used.has_value() && partly.has_value()) {
    base::Result<Usable> again = tryLoad(*partly, into, loaded.recordsDamaged);
    if (!again.ok()) return again.error();
    used = partly;
  } else if (!used.has_value()) {
    into.clear();
  }
  loaded.sequence = used.value_or(0);
  loaded.foreign = foreign.size();
  // Nothing was touched so far: any of them might have been of a newer version.
  sortOut(*listed, foreign, used);
  // A process that was killed may have left the one in use under a name that is not durable;
  // entries go on its word.
  LOGTAIL_TRY(fs_.syncDirectory(directory_));
  return loaded;
}

void LedgerStore::sortOut(const std::vector<uint64_t>& listed, const std::vector<uint64_t>& foreign,
                          std::optional<uint64_t> used) {
  kept_.clear();
  for (const uint64_t sequence : listed) {
    if (std::find(foreign.begin(), foreign.end(), sequence) != foreign.end()) {
      setAside(sequence, ".foreign");
    } else if (used.has_value() && sequence <= *used) {
      kept_.push_back(sequence);
    } else {
      // Newer than the one in use, so damaged: out of the way of the next save.
      setAside(sequence, ".damaged");
    }
  }
  while (kept_.size() > kKept) kept_.erase(kept_.begin());
}

base::Status LedgerStore::save(uint64_t sequence, std::string_view bytes) {
  if (sequence <= newest() && !kept_.empty()) return {};
  LOGTAIL_TRY(base::writeFileAtomically(fs_, path(sequence), bytes));
  kept_.push_back(sequence);
  prune(kKept);
  return {};
}

base::Status LedgerStore::checkVersions() const {
  const base::Result<std::vector<uint64_t>> listed = list(fs_, directory_);
  if (!listed.ok()) return {};  // load() tells
  for (const uint64_t sequence : *listed) {
    std::string head(LedgerSnapshot::kHeaderBytes, '\0');
    const auto file = fs_.open(path(sequence), base::OpenMode::kRead);
    if (!file.ok() || !(*file)->readAt(0, head).ok()) continue;
    const base::Result<SnapshotHeader> header = LedgerSnapshot::peek(head);
    if (!header.ok() && header.code() == base::Errc::kTooNew) {
      return {base::Errc::kTooNew, path(sequence) + ": " + header.message()};
    }
  }
  return {};
}

base::Status LedgerStore::loadNewest(Ledger& into) {
  if (kept_.empty()) return {};
  uint64_t damagedRecords = 0;
  const base::Result<Usable> usable = tryLoad(newest(), into, damagedRecords);
  if (!usable.ok()) return usable.error();
  if (*usable == Usable::kWhole) return {};
  return {base::Errc::kQuarantine, "ledger snapshot " + path(newest()) + " is damaged"};
}

void LedgerStore::prune(size_t keep) {
  while (kept_.size() > keep) {
    // A name that stays costs room only: load() takes the newest.
    if (const base::Status removed = fs_.remove(path(kept_.front())); !removed.ok()) {
      base::logWarn("ledger snapshot " + path(kept_.front()) + ": " + removed.message());
    }
    kept_.erase(kept_.begin());
  }
}

}  // namespace logtail::aggregator
