// StreamTailer's dealings with its directory: which files there are, which of them are generations,
// and where reading resumes.
#include <algorithm>

#include "agent/fingerprint.h"
#include "agent/stream_tailer.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

constexpr int kRefreshes = 8;
constexpr size_t kFirstLine = 128;  // bytes that hold a CRI line's time

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

bool holds(LogFile& file, uint64_t to, uint64_t hash) {
  if (to == 0) return true;
  const auto tail = tailHash(file, to);
  return tail.ok() && *tail == hash;
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
  if (!listed.ok()) return true;  // the directory is gone: the files held are all there is
  const auto known = [&](const ListedLogFile& file) {
    return std::find_if(generations_.begin(), generations_.end(), [&](const auto& g) {
      return g.file != nullptr && g.file->inode() == file.inode;
    });
  };
  for (size_t i = 0; i < listed->size(); ++i) {
    const ListedLogFile& file = (*listed)[i];
    if (const auto at = known(file); at != generations_.end()) {
      at->path = file.path;
      continue;
    }
    if (std::find(ignoredInodes_.begin(), ignoredInodes_.end(), file.inode) !=
        ignoredInodes_.end()) {
      continue;
    }
    // Before the next one that is listed and known; behind all that are held and listed no more,
    // which rotation took first.
    auto next = generations_.end();
    for (size_t j = i + 1; j < listed->size() && next == generations_.end(); ++j) {
      next = known((*listed)[j]);
    }
    const auto position = static_cast<size_t>(next - generations_.begin());
    if (!open(file, position, context) && !lastTry) return false;
  }
  std::erase_if(ignoredInodes_, [&](uint64_t inode) {
    return std::none_of(listed->begin(), listed->end(),
                        [&](const ListedLogFile& file) { return file.inode == inode; });
  });
  return true;
}

// False when the file is not there under this name any more.
bool StreamTailer::open(const ListedLogFile& listed, size_t position, TailContext& context) {
  // A compressed copy of a file that is held is recognised by its name before it is opened.
  const bool copy = std::any_of(generations_.begin(), generations_.end(),
                                [&](const auto& g) { return g.path + ".gz" == listed.path; });
  if (copy) {
    ignoredInodes_.push_back(listed.inode);
    return true;
  }
  auto file = LogFile::open(listed.path);
  if (!file.ok()) {
    if (file.code() == base::Errc::kNotFound) return false;
    ++context.counts.unreadableFiles;
    return true;
  }
  // Rotated meanwhile: this name is another file's now.
  if ((*file)->inode() != listed.inode) return false;
  if (isCopyOfKnown(listed, **file)) {
    ignoredInodes_.push_back(listed.inode);
    return true;
  }
  Generation generation;
  generation.file = std::move(*file);
  generation.path = listed.path;
  if (planned_) {
    generation.ordinal = nextOrdinal_++;
    if (position < generations_.size()) {
      generation.flags = event::kBlockLate;
      ++context.counts.lateGenerations;
      base::logWarn("agent: " + listed.path + " is older than files that were read already");
    }
  }
  generations_.insert(generations_.begin() + static_cast<ptrdiff_t>(position),
                      std::move(generation));
  if (planned_) reading_ = std::min(reading_, position);
  return true;
}

bool StreamTailer::isCopyOfKnown(const ListedLogFile& listed, const LogFile& file) const {
  if (listed.kind == LogFileKind::kCurrent) return false;
  const auto print = fingerprint(const_cast<LogFile&>(file), true);
  if (!print.ok() || !print->has_value()) return false;
  const auto same = [&](const event::GenerationId& id) { return id.fingerprint == **print; };
  // One that nobody has read yet has no name, but its bytes: a copy is only made of a final file.
  const auto holdsSame = [&](const Generation& g) {
    if (g.id) return same(*g.id);
    if (g.file == nullptr) return false;
    const auto held = fingerprint(*g.file, true);
    return held.ok() && *held == *print;
  };
  return std::any_of(past_.begin(), past_.end(), same) ||
         std::any_of(generations_.begin(), generations_.end(), holdsSame);
}

std::vector<FoundFile> StreamTailer::describeFiles(TailContext& context) const {
  std::vector<FoundFile> found;
  for (const Generation& generation : generations_) {
    FoundFile file;
    LogFile& log = *generation.file;
    const bool newest = &generation == &generations_.back();
    const auto print = fingerprint(log, !newest);
    if (print.ok()) {
      file.fingerprint = *print;
    } else {
      ++context.counts.unreadableFiles;
    }
    file.firstTimeNanos = firstTime(log);
    file.holds = [&log](uint64_t to, uint64_t hash) { return agent::holds(log, to, hash); };
    found.push_back(std::move(file));
  }
  return found;
}

void StreamTailer::plan(const event::Resume& resume, const event::Resume* doubtful, StartAt start,
                        TailContext& context) {
  std::erase_if(generations_, [](const Generation& g) { return g.file == nullptr; });
  const auto planned = planStream(resume, describeFiles(context), start);
  nextOrdinal_ = nextOrdinal(planned);
  std::vector<Generation> found = std::move(generations_);
  generations_.clear();
  for (const PlannedGeneration& p : planned) {
    Generation generation;
    if (p.file) {
      generation.file = found[*p.file].file;
      generation.path = found[*p.file].path;
    }
    generation.id = p.id;
    generation.ordinal = p.ordinal;
    generation.to = generation.readTo = p.to;
    generation.tailHash = p.tailHash;
    generation.atEnd = p.atEnd;
    generation.flags = p.late ? uint32_t{event::kBlockLate} : 0u;
    generation.endSent = generation.endAcked = p.finished;
    generation.tailLost = p.tailLost;
    if (doubtful != nullptr && p.id) {
      if (const auto* acked = doubtful->find(*p.id)) generation.doubtTo = acked->to;
    }
    if (p.late) {
      ++context.counts.lateGenerations;
      base::logWarn("agent: " + generation.path + " is older than what was read of " +
                    description_.pod);
    }
    if (p.tailLost == event::LossReason::kTruncated) ++context.counts.truncations;
    generations_.push_back(std::move(generation));
  }
  assembler_.resume(resume.channels);
  for (const event::Channel channel : {event::Channel::kStdout, event::Channel::kStderr}) {
    rebuildOpenRecord(channel, context);
  }
  // What the plan leaves out, and what is finished, is not looked at again.
  for (size_t i = 0; i < found.size(); ++i) {
    const bool read = std::any_of(planned.begin(), planned.end(),
                                  [&](const auto& p) { return p.file == i && !p.finished; });
    if (!read) ignoredInodes_.push_back(found[i].file->inode());
  }
  reading_ = 0;
  planned_ = true;
  if (!generations_.empty() && generations_.back().endSent) {
    lastEnded_ = generations_.back();
    lastEnded_->file.reset();
  }
  forgetFinished();
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
      if (!got.ok() || *got == 0) break;
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

void StreamTailer::reset() {
  planned_ = false;
  reading_ = 0;
  longLine_.reset();
  lastEnded_.reset();
  abandonedBytes_ = 0;
  assembler_.resume({});
  past_.clear();
  ignoredInodes_.clear();
  sealed_ = {};
  std::erase_if(generations_, [](const Generation& g) { return g.file == nullptr; });
  for (Generation& generation : generations_) {
    generation.id.reset();
    generation.to = generation.readTo = 0;
    generation.carry.clear();
    generation.endSent = generation.endAcked = generation.atEnd = false;
    generation.flags = 0;
    generation.successorSeen.reset();
  }
}

}  // namespace logtail::agent
