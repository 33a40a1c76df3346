// StreamTailer's half that reads: turns, lines, long lines.
#include "agent/stream_tailer.h"

#include <algorithm>
#include <cstring>

#include "agent/fingerprint.h"

namespace logtail::agent {
namespace {

constexpr base::Nanos kUnreadableRetry = std::chrono::seconds(1);
constexpr size_t kLeastCompared = 512;  // of a known tail
constexpr uint32_t kRotatedKept = 4;  // the kubelet's default: five files, the current one included

size_t leadOf(uint64_t to) {
  return static_cast<size_t>(std::min<uint64_t>(to, event::kTailBytes));
}

// The hash of the last <= kTailBytes before `to`; `end` points at byte `to` of a buffer that
// reaches back far enough.
uint64_t hashTail(const char* end, uint64_t to) {
  const size_t lead = leadOf(to);
  return lead == 0 ? 0 : base::hash64({end - lead, lead});
}

}  // namespace

StreamTailer::StreamTailer(const event::StreamDescription& description, std::string directory,
                           size_t maxLine, base::MemoryBudget& budget, parsers::CriTimeCache& cache,
                           AssemblerCounts& counts)
    : key_(description.key()),
      restart_(description.restart),
      directory_(std::move(directory)),
      assembler_(maxLine, budget, cache, counts),
      rotatedKept_(kRotatedKept) {
  event::encode(description, description_);
  description_.shrink_to_fit();
}

event::StreamDescription StreamTailer::description() const {
  const auto description = event::decodeStreamDescription(description_);
  LOGTAIL_ASSERT(description.ok());
  return *description;
}

Turn StreamTailer::turn(TailContext& context) {
  if (!planned_) return Turn::kIdle;
  wakeAt_.reset();
  // Generations before reading_ only wait for the end of their grace; what they still get is read.
  for (size_t i = 0; i < generations_.size() && i <= reading_; ++i) {
    Generation& generation = generations_[i];
    if (generation.endSent || mayAwait(i)) {
      reading_ = std::max(reading_, i + 1);
      continue;
    }
    if (generation.resting) {
      return wakeFile(i, context) == Step::kProgress ? Turn::kMore : Turn::kIdle;
    }
    Step step = generation.file == nullptr ? loseRest(generation, generation.tailLost, context)
                                           : read(i, context);
    if (step == Step::kEndOfFile) step = afterEndOfFile(i, context);
    if (step == Step::kBlocked) return Turn::kBlocked;
    if (step == Step::kProgress) {
      forgetFinished();
      return Turn::kMore;
    }
  }
  return flushAtStreamEnd(context);
}

// A known generation without a file is not lost while there are files that cannot be opened: it may
// be one of them.
bool StreamTailer::mayAwait(size_t index) {
  Generation& generation = generations_[index];
  generation.awaited = generation.awaited && unopened_ > 0;
  return generation.awaited;
}

StreamTailer::Step StreamTailer::read(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  if (!identify(generation, false, context)) return Step::kEndOfFile;
  if (generation.atEnd) startAtEnd(generation, context);
  if (generation.gapTo > generation.to) return loseGap(generation, context);
  if (generation.scanned > 0) return scanLongLine(index, context);
  const size_t lead = leadOf(generation.to);
  const auto got = readWithLead(generation, context);
  if (!got.ok()) return unreadable(got.error(), generation, context);
  if (*got < lead) {
    restartRewritten(index, context);
    return Step::kProgress;
  }
  noteRead(generation, generation.to - lead + *got, context);
  return consume(generation, lead, {context.slab.data() + lead, *got - lead}, context);
}

// Fills the slab from leadOf(to) bytes before `to` on. Fewer bytes than those: the file is not the
// one that was read up to `to` any more. Of a tail that is known only its last line is read again
// and compared: with its time it is as much its own as all of them. More of it when that is short:
// an empty line has no time.
base::Result<size_t> StreamTailer::readWithLead(Generation& generation, TailContext& context) {
  const size_t lead = leadOf(generation.to);
  char* const slab = context.slab.data();
  const char* const tail =
      lead == event::kTailBytes ? context.tails.find(key_, generation.tailHash) : nullptr;
  if (tail == nullptr) {
    const auto got = generation.file->readAt(generation.to - lead, context.slab);
    const bool same = !got.ok() || *got < lead || lead == 0 ||
                      hashTail(slab + lead, generation.to) == generation.tailHash;
    return same ? got : base::Result<size_t>(size_t{0});
  }
  const auto* before = static_cast<const char*>(::memrchr(tail, '\n', lead - kLeastCompared));
  const size_t known = before == nullptr ? 0 : static_cast<size_t>(before + 1 - tail);
  const auto got =
      generation.file->readAt(generation.to - lead + known, context.slab.subspan(known));
  if (!got.ok()) return got;
  if (known + *got < lead || std::memcmp(slab + known, tail + known, lead - known) != 0) {
    return size_t{0};
  }
  std::memcpy(slab, tail, known);
  return known + *got;
}

// Damage stays; an I/O error may pass, so it is met again later, at the latest at the final end.
StreamTailer::Step StreamTailer::unreadable(const base::Error& error, Generation& generation,
                                            TailContext& context) {
  ++context.counts.unreadableFiles;
  if (error.code == base::Errc::kQuarantine) {
    return loseRest(generation, event::LossReason::kUnreadable, context);
  }
  wakeBy(context.clock.steady() + kUnreadableRetry);
  return Step::kEndOfFile;
}

StreamTailer::Step StreamTailer::consume(Generation& generation, size_t lead,
                                         std::string_view bytes, TailContext& context) {
  const bool full = lead + bytes.size() == context.slab.size();
  const size_t newline = bytes.rfind('\n');
  if (newline == std::string_view::npos) {
    if (!full) return Step::kEndOfFile;
    generation.scanned = bytes.size();
    return Step::kProgress;
  }
  std::string_view lines = bytes.substr(0, newline + 1);
  const int64_t observed = context.clock.wallNanos();
  while (!lines.empty()) {
    if (!beginBlock(generation, context)) return Step::kBlocked;
    const auto got =
        assembler_.consume(lines, *generation.id, generation.to, observed, context.writer);
    if (got.bytes == 0) {
      context.writer.cancelBlock();
      if (!context.seal(context.worker)) return Step::kBlocked;
      continue;
    }
    lines.remove_prefix(got.bytes);
    const uint64_t to = generation.to + got.bytes;
    endBlock(generation, to, hashTail(lines.data(), to), generation.flags, context);
    if (got.stop == RecordAssembler::Stop::kUnitFull && !context.seal(context.worker)) {
      return Step::kBlocked;
    }
  }
  if (leadOf(generation.to) == event::kTailBytes) {
    context.tails.keep(key_, generation.tailHash,
                       TailCache::Tail(lines.data() - event::kTailBytes, event::kTailBytes));
  }
  return full ? Step::kProgress : Step::kEndOfFile;
}

// A line longer than the slab is only looked at for its newline; nothing of it is kept. `to` stays
// before it, so that a restart reads it again.
StreamTailer::Step StreamTailer::scanLongLine(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  const uint64_t at = generation.to + generation.scanned;
  const auto got = generation.file->readAt(at, context.slab);
  if (!got.ok()) return unreadable(got.error(), generation, context);
  if (*got == 0) {
    if (generation.file->size().value_or(at) >= at) return Step::kEndOfFile;
    restartRewritten(index, context);
    return Step::kProgress;
  }
  noteRead(generation, at + *got, context);
  const size_t newline = std::string_view(context.slab.data(), *got).find('\n');
  if (newline == std::string_view::npos) {
    generation.scanned += *got;
    return Step::kProgress;
  }
  return emitLongLine(generation, generation.scanned + newline + 1, false, context);
}

// Its head is read again: as much as the slab takes, which is more than a record may have.
StreamTailer::Step StreamTailer::emitLongLine(Generation& generation, uint64_t raw, bool unfinished,
                                              TailContext& context) {
  const uint64_t to = generation.to + raw;
  const auto tail = tailHash(*generation.file, to);
  const uint64_t text = unfinished ? raw : raw - 1;
  const auto head = generation.file->readAt(
      generation.to, context.slab.first(std::min<uint64_t>(text, context.slab.size())));
  if (!tail.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
  if (!head.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
  const PhysicalLine line{{context.slab.data(), *head}, generation.to, raw, unfinished};
  const Step step = emitLine(generation, line, to, *tail, context);
  if (step == Step::kProgress) generation.scanned = 0;
  return step;
}

void StreamTailer::noteRead(Generation& generation, uint64_t end, TailContext& context) {
  if (end <= generation.readTo) return;
  sealed_.readBytes += end - generation.readTo;
  context.counts.readBytes += end - generation.readTo;
  generation.readTo = end;
}

StreamTailer::Step StreamTailer::emitLine(Generation& generation, const PhysicalLine& line,
                                          uint64_t to, uint64_t tailHashAtTo,
                                          TailContext& context) {
  for (;;) {
    if (!beginBlock(generation, context)) return Step::kBlocked;
    if (assembler_.consumeLine(line, *generation.id, context.clock.wallNanos(), context.writer)) {
      break;
    }
    context.writer.cancelBlock();
    if (!context.seal(context.worker)) return Step::kBlocked;
  }
  endBlock(generation, to, tailHashAtTo, generation.flags, context);
  return Step::kProgress;
}

bool StreamTailer::identify(Generation& generation, bool final, TailContext& context) {
  if (generation.id) return true;
  const auto print = fingerprint(*generation.file, final);
  if (!print.ok()) {
    ++context.counts.unreadableFiles;
    wakeBy(context.clock.steady() + kUnreadableRetry);
  }
  if (!print.ok() || !print->has_value()) return false;
  event::GenerationId id{**print, 0};
  const auto later = [&](const event::GenerationId& other) {
    if (other.fingerprint == id.fingerprint) id.epoch = std::max(id.epoch, other.epoch + 1);
  };
  for (const PastGeneration& past : past_) later(past.id);
  for (const Generation& other : generations_) {
    if (other.id) later(*other.id);
  }
  generation.id = id;
  return true;
}

void StreamTailer::startAtEnd(Generation& generation, TailContext& context) {
  generation.atEnd = false;
  const uint64_t size = generation.file->size().value_or(0);
  const uint64_t from = size - std::min<uint64_t>(size, context.slab.size());
  const auto got = generation.file->readAt(from, context.slab);
  if (!got.ok()) return;  // the next read meets the same error and counts it
  const size_t newline = std::string_view(context.slab.data(), *got).rfind('\n');
  if (newline == std::string_view::npos) return;  // inside the first line: read it all
  const uint64_t to = from + newline + 1;
  const auto tail = tailHash(*generation.file, to);
  if (!tail.ok()) return;
  generation.to = generation.readTo = to;
  generation.tailHash = *tail;
}

// The file is shorter than what was read of it, or differs there: what it held ends here, its tail
// unknown, and what it holds now is a generation of its own.
void StreamTailer::restartRewritten(size_t index, TailContext& context) {
  ++context.counts.truncations;
  Generation next;
  next.file = std::move(generations_[index].file);
  next.name = generations_[index].name;
  next.ordinal = nextOrdinal_++;
  next.successorSeen = generations_[index].successorSeen;
  generations_[index].tailLost = event::LossReason::kTruncated;
  generations_[index].scanned = 0;
  generations_.insert(generations_.begin() + static_cast<ptrdiff_t>(index) + 1, std::move(next));
}

bool StreamTailer::beginBlock(const Generation& generation, TailContext& context) {
  if (!context.writer.hasRoomForBlock() && !context.seal(context.worker)) return false;
  event::BlockHeader start;
  start.stream = key_;
  start.generation = *generation.id;
  start.ordinal = generation.ordinal;
  start.from = generation.to;
  start.observedNanos = context.clock.wallNanos();
  start.configEpoch = context.configEpoch;
  context.writer.beginBlock(start);
  return true;
}

void StreamTailer::endBlock(Generation& generation, uint64_t to, uint64_t hash, uint32_t flags,
                            TailContext& context) {
  if (abandonedBytes_ > 0) {
    context.writer.lose(event::LossReason::kOpenPartGone, abandonedBytes_);
    abandonedBytes_ = 0;
  }
  if (generation.to < generation.doubtTo) flags |= event::kBlockInDoubt;
  const event::BlockHeader& block = context.writer.endBlock(to, assembler_.states(), hash, flags);
  sealed_.bytes += to - block.from;
  sealed_.records += block.records;
  sealed_.digest += block.digest;
  generation.to = to;
  generation.tailHash = hash;
}

void StreamTailer::wakeBy(base::Nanos when) {
  if (!wakeAt_ || when < *wakeAt_) wakeAt_ = when;
}

uint64_t StreamTailer::unsealedBytes() const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < generations_.size(); ++i) bytes += unsealedBytesOf(i);
  return bytes;
}

}  // namespace logtail::agent
