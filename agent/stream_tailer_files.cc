// StreamTailer's dealings with its directory: which files there are, which of them are generations,
// and where reading resumes.
#include <algorithm>

#include "agent/fingerprint.h"
#include "agent/stream_tailer.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

constexpr int kRefreshes = 8;
constexpr size_t kFirstLine = 128;    // bytes that hold a CRI line's time
constexpr size_t kMaxNumber = 4;      // longer suffixes are times, which come only once
constexpr size_t kSlotsInDanger = 2;  // of the oldest files that rotation keeps
constexpr uint32_t kMaxRotatedKept = 1000;

int64_t firstTime(LogFile& file) {
  char head[kFirstLine];
  const auto got = file.readAt(0, head);
  if (!got.ok()) return 0;
  const std::string_view bytes(head, *got);
  parsers::CriTimeCache cache;
  parsers::CriLine line;
  if (parsers::parseCri(bytes.substr(0, bytes.find('\n')), cache, line) !=
      parsers::CriResult::kOk) {
    return 0;
  }
  return line.timeNanos;
}

uint64_t tailHashOrZero(LogFile& file, uint64_t to) {
  const auto tail = tailHash(file, to);
  return tail.ok() ? *tail : 0;
}

IgnoredFile asIgnored(const ListedLogFile& file) {
  return {file.inode, file.size, file.modifiedNanos};
}

// Whether `file` has all that `copy` was made of: then nothing is to be had from the copy.
bool hasAllOf(LogFile& copy, LogFile& file) {
  const auto size = copy.size();
  const auto print = fingerprint(copy, true);
  const auto other = fingerprint(file, true);
  if (!size || !print.ok() || !other.ok() || *print != *other) return false;
  const auto tail = tailHash(copy, *size);
  return tail.ok() && holdsUpTo(file, *size, *tail);
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
  const auto listed = listLogDirectory(directory_, description_.restart);
  // When the directory is gone the files held are all there is.
  if (!listed.ok() && listed.code() != base::Errc::kNotFound) return true;
  const std::vector<ListedLogFile> none;
  const std::vector<ListedLogFile>& files = listed.ok() ? *listed : none;
  for (Generation& generation : generations_) generation.listed = generation.compressed = false;
  for (const ListedLogFile& file : files) noteListed(file);
  unopened_ = 0;
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
  if (generation.compressed) return;
  generation.path = file.path;
  generation.seen = asIgnored(file);
}

// The generation that the file is, or is the compressed copy of.
size_t StreamTailer::findListed(const ListedLogFile& listed) const {
  const auto known = std::find_if(generations_.begin(), generations_.end(), [&](const auto& g) {
    if (g.file == nullptr || g.copyOf) return false;
    return g.file->inode() == listed.inode || (listed.kind == LogFileKind::kGzip &&
                                               !g.file->isGzip() && g.path + ".gz" == listed.path);
  });
  return static_cast<size_t>(known - generations_.begin());
}

void StreamTailer::noteRotation(const std::vector<ListedLogFile>& listed) {
  size_t rotated = listed.size();
  if (rotated > 0 && listed.back().kind == LogFileKind::kCurrent) --rotated;
  if (rotated > rotatedKept_) {
    rotatedKept_ = static_cast<uint32_t>(std::min<size_t>(rotated, kMaxRotatedKept));
  }
  for (size_t i = 0; i < listed.size(); ++i) {
    const size_t known = findListed(listed[i]);
    if (known == generations_.size()) continue;
    const size_t younger = rotated - std::min(i + 1, rotated);
    generations_[known].endangered = i < rotated && younger + kSlotsInDanger >= rotatedKept_;
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
  for (size_t i = 0; i + 1 < generations_.size(); ++i) {
    if (!generations_[i].successorSeen) generations_[i].successorSeen = context.clock.steady();
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
  generation.path = listed.path;
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
  const std::string_view plain(listed.path.data(), listed.path.size() - 3);
  const uint64_t hash = base::hash64(plain);
  return std::any_of(past_.begin(), past_.end(),
                     [&](const PastGeneration& past) { return past.pathHash == hash; });
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
      generation.path = listed.path.substr(0, listed.path.size() - 3);
      generation.listed = generation.compressed = true;
    }
    return true;
  }
  return false;
}

std::vector<FoundFile> StreamTailer::describeFiles(TailContext& context) const {
  std::vector<FoundFile> found;
  for (const Generation& generation : generations_) {
    FoundFile& file = found.emplace_back();
    if (generation.file == nullptr) {  // given up before the ledger said anything
      file.fingerprint = generation.print;
      file.holds = [end = *generation.lostTo](uint64_t to, uint64_t) { return to <= end; };
      continue;
    }
    LogFile& log = *generation.file;
    const bool newest = &generation == &generations_.back();
    const auto print = fingerprint(log, !newest);
    if (print.ok()) {
      file.fingerprint = *print;
    } else {
      ++context.counts.unreadableFiles;
    }
    file.firstTimeNanos = firstTime(log);
    file.holds = [&log](uint64_t to, uint64_t hash) { return holdsUpTo(log, to, hash); };
    file.copyOf = generation.copyOf;
    file.copyFrom = generation.copyFrom;
  }
  return found;
}

// Copies of what no file of the directory has: they are older than all of those.
void StreamTailer::takeIn(std::vector<SpooledCopy> copies) {
  std::sort(copies.begin(), copies.end(), [](const SpooledCopy& a, const SpooledCopy& b) {
    return a.header.ordinal < b.header.ordinal;
  });
  std::vector<Generation> older;
  for (SpooledCopy& copy : copies) {
    const bool isHeld = std::any_of(generations_.begin(), generations_.end(), [&](const auto& g) {
      if (g.copyOf || g.file == nullptr) return g.copyOf == copy.header.generation;
      return hasAllOf(*copy.file, *g.file);
    });
    if (isHeld) continue;
    Generation& generation = older.emplace_back();
    generation.copyOf = copy.header.generation;
    generation.copyFrom = copy.header.from;
    generation.rotatedNanos = copy.header.rotatedNanos;
    generation.file = std::move(copy.file);
  }
  generations_.insert(generations_.begin(), std::make_move_iterator(older.begin()),
                      std::make_move_iterator(older.end()));
}

void StreamTailer::place(const PlannedGeneration& planned, std::vector<Generation>& found,
                         const event::Resume* doubtful, TailContext& context) {
  Generation generation = planned.file ? std::move(found[*planned.file]) : Generation();
  generation.id = planned.id;
  generation.ordinal = planned.ordinal;
  generation.to = generation.readTo = generation.ackedTo = planned.to;
  generation.tailHash = planned.tailHash;
  generation.gapTo = planned.gapTo;
  generation.atEnd = planned.atEnd;
  generation.flags = planned.late ? uint32_t{event::kBlockLate} : 0u;
  generation.endSent = generation.endAcked = planned.finished;
  if (planned.tailLost != event::LossReason::kNone) generation.tailLost = planned.tailLost;
  generation.awaited = generation.file == nullptr && !planned.finished && unopened_ > 0 &&
                       generation.tailLost == event::LossReason::kRotatedAway;
  // Only of a copy: the ledger knows nothing of the bytes before it.
  if (planned.to > 0 && planned.tailHash == 0 && generation.copyOf) {
    generation.tailHash = tailHashOrZero(*generation.file, planned.to);
  }
  if (doubtful != nullptr && planned.id) {
    if (const auto* acked = doubtful->find(*planned.id)) generation.doubtTo = acked->to;
  }
  if (planned.late) {
    ++context.counts.lateGenerations;
    base::logWarn("agent: a file older than what was read already: " + directory_ + ", ordinal " +
                  std::to_string(planned.ordinal));
  }
  if (planned.tailLost == event::LossReason::kTruncated) ++context.counts.truncations;
  generations_.push_back(std::move(generation));
}

// What the plan leaves out is not looked at again, under no name.
void StreamTailer::ignoreUnplanned(std::vector<Generation>& found,
                                   const std::vector<PlannedGeneration>& planned) {
  for (size_t i = 0; i < found.size(); ++i) {
    Generation& left = found[i];
    const auto plan =
        std::find_if(planned.begin(), planned.end(), [&](const auto& p) { return p.file == i; });
    if (plan != planned.end() && !plan->finished) continue;
    if (left.listed) ignored_.push_back(left.seen);
    if (plan != planned.end()) continue;
    if (left.file == nullptr) continue;
    const auto print = fingerprint(*left.file, true);
    const uint64_t size = left.file->size().value_or(0);
    if (!print.ok() || !print->has_value()) continue;
    past_.push_back(
        {{**print, 0}, size, tailHashOrZero(*left.file, size), base::hash64(left.path)});
  }
}

void StreamTailer::plan(const event::Resume& resume, const event::Resume* doubtful, StartAt start,
                        std::vector<SpooledCopy> copies, TailContext& context) {
  std::erase_if(generations_, [](const Generation& g) { return !g.file && !g.print; });
  takeIn(std::move(copies));
  const auto planned = planStream(resume, describeFiles(context), start);
  nextOrdinal_ = nextOrdinal(planned);
  std::vector<Generation> found = std::move(generations_);
  generations_.clear();
  // What the plan leaves out, and what is finished, is not looked at again.
  ignoreUnplanned(found, planned);
  for (const PlannedGeneration& p : planned) place(p, found, doubtful, context);
  assembler_.resume(resume.channels);
  ackedChannels_ = resume.channels;
  for (const event::Channel channel : {event::Channel::kStdout, event::Channel::kStderr}) {
    rebuildOpenRecord(channel, context);
  }
  reading_ = 0;
  planned_ = true;
  for (Generation& generation : generations_) {
    if (generation.endSent) markEnded(generation);
  }
  forgetFinished();
  noteSuccessors(context);
}

// Reads again what an open record already consists of: from its first byte to where each generation
// was consumed, whole lines, a slab at a time.
void StreamTailer::rebuildOpenRecord(event::Channel channel, TailContext& context) {
  const event::ChannelState state = assembler_.states()[static_cast<size_t>(channel)];
  if (state.kind != event::ChannelState::Kind::kOpen) return;
  const auto first = std::find_if(generations_.begin(), generations_.end(), [&](const auto& g) {
    return g.id == state.generation && g.file != nullptr;
  });
  if (first == generations_.end()) {
    abandonedBytes_ += assembler_.abandon(channel);
    return;
  }
  for (auto at = first; at != generations_.end(); ++at) {
    uint64_t offset = at == first ? state.offset : 0;
    while (at->file != nullptr && offset < at->to) {
      const size_t want = std::min<uint64_t>(context.slab.size(), at->to - offset);
      const auto got = at->file->readAt(offset, context.slab.first(want));
      if (!got.ok() || *got == 0) {
        abandonedBytes_ += assembler_.abandon(channel);
        return;
      }
      sealed_.rereadBytes += *got;
      context.counts.rereadBytes += *got;
      const std::string_view bytes(context.slab.data(), *got);
      const size_t newline = bytes.rfind('\n');
      // A line longer than the slab was cut when it was read, and is no part of an open record.
      const size_t whole = newline == std::string_view::npos ? bytes.size() : newline + 1;
      if (newline != std::string_view::npos) assembler_.rebuild(channel, bytes.substr(0, whole));
      offset += whole;
    }
  }
}

}  // namespace logtail::agent
