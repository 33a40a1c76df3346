// StreamTailer's start, and its new starts: where reading resumes in what files and copies there
// are.
#include <algorithm>
#include <tuple>

#include "agent/fingerprint.h"
#include "agent/stream_tailer.h"
#include "common/base/log.h"

namespace logtail::agent {
namespace {

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

uint64_t tailHashOrZero(LogFile& file, uint64_t to) {
  const auto tail = tailHash(file, to);
  return tail.ok() ? *tail : 0;
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
    file.isCompressed = log.isGzip();
    file.copyOf = generation.copyOf;
    file.copyFrom = generation.copyFrom;
  }
  return found;
}

// Copies of what no file of the directory has: they are older than all of those.
void StreamTailer::takeIn(std::vector<SpooledCopy> copies) {
  std::sort(copies.begin(), copies.end(), [](const SpooledCopy& a, const SpooledCopy& b) {
    return std::tie(a.header.ordinal, a.header.rotatedNanos) <
           std::tie(b.header.ordinal, b.header.rotatedNanos);
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
        {{**print, 0}, size, tailHashOrZero(*left.file, size), base::hash64(left.name)});
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
