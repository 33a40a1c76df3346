// StreamTailer's dealings with its directory: which files there are, and which are generations.
#include <algorithm>

#include "agent/fingerprint.h"
#include "agent/stream_tailer.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

constexpr int kRefreshes = 8;
constexpr std::string_view kGzip = ".gz";
constexpr size_t kMaxNumber = 4;      // longer suffixes are times, which come only once
constexpr size_t kSlotsInDanger = 2;  // of the oldest files that rotation keeps
constexpr uint32_t kMaxRotatedKept = 1000;

std::string_view nameOf(const ListedLogFile& listed) {
  return std::string_view(listed.path).substr(listed.path.rfind('/') + 1);
}

IgnoredFile asIgnored(const ListedLogFile& file) {
  return {file.inode, file.size, file.modifiedNanos};
}

}  // namespace

void StreamTailer::refresh(TailContext& context) {
  // A file that went between listing and opening is there under another name: compressed, renamed.
  // It is looked for at once, so that it keeps its place among the others.
  for (int tries = 1; !openListed(tries == kRefreshes, context); ++tries) {
  }
}

// False when a listed file was not there any more; what comes behind it was then not opened, unless
// this is the last try.
bool StreamTailer::openListed(bool lastTry, TailContext& context) {
  const auto listed = listLogDirectory(directory_, restart_);
  // When the directory is gone the files held are all there is.
  if (!listed.ok() && listed.code() != base::Errc::kNotFound) return true;
  const std::vector<ListedLogFile> none;
  const std::vector<ListedLogFile>& files = listed.ok() ? *listed : none;
  for (Generation& generation : generations_) generation.listed = generation.compressed = false;
  for (const ListedLogFile& file : files) noteListed(file);
  unopened_ = 0;
  unopenedBehind_ = false;
  for (size_t i = 0; i < files.size(); ++i) {
    if (findListed(files[i]) < generations_.size()) continue;
    if (std::find(ignored_.begin(), ignored_.end(), asIgnored(files[i])) != ignored_.end()) {
      continue;
    }
    // An unknown file comes before the next one that is known, or last.
    size_t position = generations_.size();
    for (size_t next = i + 1; next < files.size() && position == generations_.size(); ++next) {
      position = findListed(files[next]);
    }
    if (!open(files[i], position, context) && !lastTry) return false;
  }
  std::erase_if(ignored_, [&](const IgnoredFile& ignored) {
    return std::none_of(files.begin(), files.end(),
                        [&](const auto& file) { return asIgnored(file) == ignored; });
  });
  noteRotation(files);
  noteSuccessors(context);
  return true;
}

void StreamTailer::noteListed(const ListedLogFile& file) {
  const size_t known = findListed(file);
  if (known == generations_.size()) return;
  Generation& generation = generations_[known];
  generation.listed = true;
  generation.unlinked = false;
  generation.compressed = generation.inode() != file.inode;
  if (generation.compressed) {
    generation.gzip = asIgnored(file);
    return;
  }
  generation.name = nameOf(file);
  generation.seen = asIgnored(file);
}

// The generation that the file is, or is the compressed copy of.
size_t StreamTailer::findListed(const ListedLogFile& listed) const {
  const std::string_view name = nameOf(listed);
  const auto known = std::find_if(generations_.begin(), generations_.end(), [&](const auto& g) {
    if (g.inode() == 0 || g.copyOf) return false;
    if (g.inode() == listed.inode) return true;
    const bool isPlain = g.file == nullptr || !g.file->isGzip();
    return listed.kind == LogFileKind::kGzip && isPlain && name.starts_with(g.name) &&
           name.size() == g.name.size() + kGzip.size();
  });
  return static_cast<size_t>(known - generations_.begin());
}

void StreamTailer::noteRotation(const std::vector<ListedLogFile>& listed) {
  size_t rotated = listed.size();
  if (rotated > 0 && listed.back().kind == LogFileKind::kCurrent) --rotated;
  if (rotated > rotatedKept_) {
    rotatedKept_ = static_cast<uint32_t>(std::min<size_t>(rotated, kMaxRotatedKept));
  }
  rotation_.note(std::span(listed).first(rotated));
  for (Generation& generation : generations_) generation.newerRotated.reset();
  for (size_t i = 0; i < listed.size(); ++i) {
    const size_t known = findListed(listed[i]);
    if (known == generations_.size()) continue;
    const size_t younger = rotated - std::min(i + 1, rotated);
    generations_[known].endangered = i < rotated && younger + kSlotsInDanger >= rotatedKept_;
    if (i < rotated) generations_[known].newerRotated = static_cast<uint32_t>(younger);
  }
  for (Generation& generation : generations_) {
    if (generation.listed || generation.file == nullptr || generation.copyOf) continue;
    const bool was = generation.unlinked;
    generation.unlinked = generation.file->isDeleted();
    // Rotation deletes where it is still going on: so many files it keeps.
    if (!was && generation.unlinked && rotated < listed.size()) {
      rotatedKept_ = static_cast<uint32_t>(std::clamp<size_t>(rotated, 1, rotatedKept_));
    }
  }
}

void StreamTailer::noteSuccessors(TailContext& context) {
  const base::Nanos now = context.clock.steady();
  for (size_t i = 0; i + 1 < generations_.size(); ++i) {
    if (generations_[i].successorSeen) continue;
    // A successor that was rotated itself was written to: nobody writes to this one any more.
    const bool isLong = i + 2 < generations_.size() && generations_[i + 1].newerRotated;
    generations_[i].successorSeen = isLong ? now - context.grace : now;
  }
  // A successor that cannot be opened is one, too: else the file before it would keep the
  // descriptor that the successor waits for.
  if (unopenedBehind_ && !generations_.empty() && !generations_.back().successorSeen) {
    generations_.back().successorSeen = now;
  }
  for (Generation& generation : generations_) {
    const bool isOver = generation.successorSeen || generation.unlinked;
    if (isOver && generation.rotatedNanos == 0) {
      generation.rotatedNanos = context.clock.wallNanos();
    }
  }
}

// False when the file is not there under this name any more.
bool StreamTailer::open(const ListedLogFile& listed, size_t position, TailContext& context) {
  if (isNamedAsPast(listed)) {
    ignored_.push_back(asIgnored(listed));
    return true;
  }
  auto file = openFile(listed.path, context);
  if (!file.ok()) {
    if (file.code() == base::Errc::kNotFound) return false;
    ++context.counts.unreadableFiles;
    ++unopened_;
    unopenedBehind_ = unopenedBehind_ || position == generations_.size();
    return true;
  }
  // Rotated meanwhile: this name is another file's now.
  if ((*file)->inode() != listed.inode) return false;
  if (planned_ && attachAwaited(listed, *file, position)) return true;
  if (isCopyOfPast(listed, **file) || isCopyOfHeld(listed, **file, context)) {
    ignored_.push_back(asIgnored(listed));
    return true;
  }
  Generation generation;
  generation.file = std::move(*file);
  if (planned_) {
    generation.ordinal = nextOrdinal_++;
    if (position < generations_.size()) {
      generation.flags = event::kBlockLate;
      ++context.counts.lateGenerations;
      base::logWarn("agent: " + listed.path + " is older than files that were read already");
    }
  }
  insert(std::move(generation), position, listed);
  return true;
}

base::Result<std::unique_ptr<LogFile>> StreamTailer::openFile(const std::string& path,
                                                              TailContext& context) {
  if (context.descriptors->full()) context.makeRoom(context.worker);
  return LogFile::open(path, context.inflaters, context.descriptors);
}

void StreamTailer::insert(Generation generation, size_t position, const ListedLogFile& listed) {
  generation.name = nameOf(listed);
  generation.listed = true;
  generation.seen = asIgnored(listed);
  reading_ = std::min(reading_, position);
  generations_.insert(generations_.begin() + static_cast<ptrdiff_t>(position),
                      std::move(generation));
}

// A known generation whose file could not be opened, or is closed and has a new name: is it this
// one?
bool StreamTailer::attachAwaited(const ListedLogFile& listed, std::unique_ptr<LogFile>& file,
                                 size_t position) {
  const auto print = fingerprint(*file, listed.kind != LogFileKind::kCurrent);
  if (!print.ok() || !print->has_value()) return false;
  const auto at = std::find_if(generations_.begin(), generations_.end(), [&](const auto& g) {
    const bool isSought = g.awaited || (g.resting && !g.listed);
    return isSought && g.id && g.id->fingerprint == **print && holdsUpTo(*file, g.to, g.tailHash);
  });
  if (at == generations_.end()) return false;
  Generation generation = std::move(*at);
  const auto index = static_cast<size_t>(at - generations_.begin());
  generations_.erase(at);
  reading_ = std::min(reading_, index);
  generation.file = std::move(file);
  generation.awaited = generation.resting = false;
  generation.tailLost = event::LossReason::kNone;
  insert(std::move(generation), index < position ? position - 1 : position, listed);
  return true;
}

// The compressed copy of a finished file, known by its name alone: nothing is inflated for it.
bool StreamTailer::isNamedAsPast(const ListedLogFile& listed) const {
  if (listed.kind != LogFileKind::kGzip || listed.timestamp.size() <= kMaxNumber) return false;
  std::string_view plain = nameOf(listed);
  plain.remove_suffix(kGzip.size());
  const uint64_t hash = base::hash64(plain);
  return std::any_of(past_.begin(), past_.end(),
                     [&](const PastGeneration& past) { return past.nameHash == hash; });
}

// Equal first lines do not make a copy: the last bytes must be the same, too. The current file is
// one only when nothing was added.
bool StreamTailer::isCopyOfPast(const ListedLogFile& listed, LogFile& file) const {
  const auto print = fingerprint(file, true);
  if (!print.ok() || !print->has_value()) return false;
  return std::any_of(past_.begin(), past_.end(), [&](const PastGeneration& past) {
    const bool mayGrow = listed.kind != LogFileKind::kCurrent;
    return past.id.fingerprint == **print && holdsUpTo(file, past.to, past.tailHash) &&
           (mayGrow || file.size() == past.to);
  });
}

// A copy of a held file that has no name of its own any more: the first bytes are compared, as many
// as the slab takes twice, and the sizes where both are known.
bool StreamTailer::isCopyOfHeld(const ListedLogFile& listed, LogFile& file, TailContext& context) {
  if (listed.kind == LogFileKind::kCurrent) return false;
  const std::span<char> a = context.slab.first(context.slab.size() / 2);
  const std::span<char> b = context.slab.subspan(a.size(), a.size());
  std::optional<size_t> got;
  for (Generation& generation : generations_) {
    if (generation.listed || generation.file == nullptr || generation.copyOf) continue;
    if (!got) got = file.readAt(0, a).ok() ? *file.readAt(0, a) : size_t{0};
    const auto other = generation.file->readAt(0, b);
    if (*got == 0 || !other.ok() || *other != *got) continue;
    const auto size = file.size();
    const auto otherSize = generation.file->size();
    if (size && otherSize && *size != *otherSize) continue;
    if (!std::equal(a.begin(), a.begin() + static_cast<ptrdiff_t>(*got), b.begin())) continue;
    if (listed.kind == LogFileKind::kGzip && !generation.file->isGzip()) {
      generation.name = nameOf(listed);
      generation.name.resize(generation.name.size() - kGzip.size());
      generation.listed = generation.compressed = true;
      generation.gzip = asIgnored(listed);
    }
    return true;
  }
  return false;
}

}  // namespace logtail::agent
