#include "agent/stream_tailer.h"

#include <algorithm>
#include <cstring>

#include "agent/fingerprint.h"

namespace logtail::agent {
namespace {

constexpr size_t kPastGenerations = 64;

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

StreamTailer::StreamTailer(event::StreamDescription description, std::string directory,
                           size_t maxLine, base::MemoryBudget& budget, parsers::CriTimeCache& cache)
    : description_(std::move(description)),
      key_(description_.key()),
      directory_(std::move(directory)),
      assembler_(maxLine, budget, cache) {}

Turn StreamTailer::turn(TailContext& context) {
  if (!planned_) return Turn::kIdle;
  wakeAt_.reset();
  // Generations before reading_ only wait for the end of their grace; what they still get is read.
  for (size_t i = 0; i < generations_.size() && i <= reading_; ++i) {
    Generation& generation = generations_[i];
    if (generation.endSent) {
      reading_ = std::max(reading_, i + 1);
      continue;
    }
    Step step = generation.file == nullptr ? loseRest(generation, generation.tailLost, context)
                                           : read(i, context);
    if (step == Step::kEndOfFile) step = afterEndOfFile(i, context);
    if (step == Step::kBlocked) return Turn::kBlocked;
    if (step == Step::kProgress) return Turn::kMore;
  }
  return flushAtStreamEnd(context);
}

// The last files of a stream that is gone may be empty: what is still open then belongs to the
// generation that ended last.
Turn StreamTailer::flushAtStreamEnd(TailContext& context) {
  if (!goneAt_ || !lastEnded_ || !assembler_.anyOpen()) return Turn::kIdle;
  if (reading_ < generations_.size()) return Turn::kIdle;
  return finishStream(*lastEnded_, context) == Step::kBlocked ? Turn::kBlocked : Turn::kMore;
}

StreamTailer::Step StreamTailer::afterEndOfFile(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  const base::Nanos now = context.clock.steady();
  if (isFinal(index, now, context.grace)) return finish(index, context);
  if (index + 1 < generations_.size()) {
    // The successor was in the list before this end was read: a writer that keeps the order has
    // moved on, so may we. Stragglers are read until the grace is over.
    if (!generation.successorSeen) generation.successorSeen = now;
    wakeBy(*generation.successorSeen + context.grace);
    // A line that is longer than the slab and has no end yet waits for the file's final end.
    if (index == reading_ && !longLine_) {
      ++reading_;
      return Step::kProgress;
    }
  } else if (goneAt_) {
    wakeBy(*goneAt_ + context.grace);
  }
  return Step::kEndOfFile;
}

bool StreamTailer::isFinal(size_t index, base::Nanos now, base::Nanos grace) const {
  const Generation& generation = generations_[index];
  if (generation.file->isGzip()) return true;
  if (index + 1 < generations_.size()) {
    return generation.successorSeen && now - *generation.successorSeen >= grace;
  }
  return goneAt_ && now - *goneAt_ >= grace;
}

StreamTailer::Step StreamTailer::read(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  if (!identify(generation, false)) return Step::kEndOfFile;
  if (generation.atEnd) startAtEnd(generation, context);
  if (longLine_ && index == reading_) {
    const uint64_t at = longLine_->offset + longLine_->scanned;
    const auto got = generation.file->readAt(at, context.slab);
    if (!got.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
    if (*got == 0) return Step::kEndOfFile;
    noteRead(generation, at + *got, context);
    return scanLongLine(generation, {context.slab.data(), *got}, context);
  }
  const size_t lead = leadOf(generation.to);
  // A gzip member cannot be read backwards cheaply: the bytes before `to` are carried along.
  const bool carried = generation.file->isGzip() && generation.carry.size() == lead;
  if (carried) std::memcpy(context.slab.data(), generation.carry.data(), lead);
  const size_t skip = carried ? lead : 0;
  const auto got = generation.file->readAt(generation.to - lead + skip, context.slab.subspan(skip));
  if (!got.ok()) {
    ++context.counts.unreadableFiles;
    return loseRest(generation, event::LossReason::kUnreadable, context);
  }
  const size_t bytes = *got + skip;
  if (bytes < lead ||
      (lead > 0 && hashTail(context.slab.data() + lead, generation.to) != generation.tailHash)) {
    restartRewritten(index, context);
    return Step::kProgress;
  }
  noteRead(generation, generation.to - lead + bytes, context);
  return consume(generation, lead, {context.slab.data() + lead, bytes - lead}, context);
}

StreamTailer::Step StreamTailer::consume(Generation& generation, size_t lead,
                                         std::string_view bytes, TailContext& context) {
  const bool full = lead + bytes.size() == context.slab.size();
  const size_t newline = bytes.rfind('\n');
  if (newline == std::string_view::npos) {
    if (!full) return Step::kEndOfFile;
    longLine_ = LongLine{std::string(bytes), generation.to, bytes.size()};
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
    if (generation.file->isGzip()) generation.carry.assign(lines.data() - leadOf(to), leadOf(to));
    if (got.stop == RecordAssembler::Stop::kUnitFull && !context.seal(context.worker)) {
      return Step::kBlocked;
    }
  }
  return full ? Step::kProgress : Step::kEndOfFile;
}

// A line longer than the slab: its head is kept, the rest only looked at for the newline. `to`
// stays before it, so that a restart reads it again.
StreamTailer::Step StreamTailer::scanLongLine(Generation& generation, std::string_view bytes,
                                              TailContext& context) {
  const size_t newline = bytes.find('\n');
  longLine_->scanned += std::min(newline, bytes.size());
  if (newline == std::string_view::npos) return Step::kProgress;
  const uint64_t raw = longLine_->scanned + 1;
  const uint64_t to = longLine_->offset + raw;
  const auto tail = tailHash(*generation.file, to);
  if (!tail.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
  const Step step =
      emitLine(generation, {longLine_->head, longLine_->offset, raw, false}, to, *tail, context);
  if (step == Step::kBlocked) {
    longLine_->scanned -= std::min(newline, bytes.size());  // these bytes are looked at again
    return step;
  }
  generation.carry.clear();
  longLine_.reset();
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

StreamTailer::Step StreamTailer::finish(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  if (!identify(generation, true)) {  // empty: no generation
    generation.endSent = generation.endAcked = true;
    forgetFinished();
    return Step::kProgress;
  }
  // What is behind the last newline of a file that is at its final end is a record, incomplete.
  std::string rest;
  uint64_t raw = 0;
  if (longLine_ && index == reading_) {
    rest = longLine_->head;
    raw = longLine_->scanned;
  } else {
    const auto got = generation.file->readAt(generation.to, context.slab);
    if (!got.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
    rest.assign(context.slab.data(), *got);
    raw = *got;
  }
  if (raw > 0) {
    const uint64_t to = generation.to + raw;
    const auto tail = tailHash(*generation.file, to);
    if (!tail.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
    const PhysicalLine line{rest, generation.to, raw, true};
    if (emitLine(generation, line, to, *tail, context) == Step::kBlocked) return Step::kBlocked;
    longLine_.reset();
  }
  if (index + 1 == generations_.size() && goneAt_) return finishStream(generation, context);
  if (!beginBlock(generation, context)) return Step::kBlocked;
  endBlock(generation, generation.to, generation.tailHash, generation.flags | event::kBlockEnd,
           context);
  markEnded(generation);
  return Step::kProgress;
}

void StreamTailer::markEnded(Generation& generation) {
  generation.endSent = true;
  lastEnded_ = generation;
  lastEnded_->file.reset();
}

StreamTailer::Step StreamTailer::finishStream(Generation& generation, TailContext& context) {
  for (;;) {
    if (!beginBlock(generation, context)) return Step::kBlocked;
    const bool all = assembler_.finish(*generation.id, context.writer);
    endBlock(generation, generation.to, generation.tailHash,
             generation.flags | (all ? uint32_t{event::kBlockEnd} : 0u), context);
    if (all) break;
    if (!context.seal(context.worker)) return Step::kBlocked;
  }
  generation.endSent = true;
  return Step::kProgress;
}

StreamTailer::Step StreamTailer::loseRest(Generation& generation, event::LossReason reason,
                                          TailContext& context) {
  if (!generation.id) {  // never identified: nothing of it was ever announced
    generation.endSent = generation.endAcked = true;
    return Step::kProgress;
  }
  if (!beginBlock(generation, context)) return Step::kBlocked;
  uint64_t to = generation.to;
  if (generation.file != nullptr && !generation.file->isGzip()) {
    to = std::max(to, generation.file->size().value_or(to));
  }
  context.writer.lose(reason, to - generation.to);
  uint32_t flags = generation.flags | event::kBlockEnd;
  if (to == generation.to) flags |= event::kBlockTailLost;
  endBlock(generation, to, to == generation.to ? generation.tailHash : 0, flags, context);
  generation.file.reset();
  markEnded(generation);
  longLine_.reset();
  return Step::kProgress;
}

bool StreamTailer::identify(Generation& generation, bool final) {
  if (generation.id) return true;
  const auto print = fingerprint(*generation.file, final);
  if (!print.ok() || !print->has_value()) return false;
  event::GenerationId id{**print, 0};
  const auto later = [&](const event::GenerationId& other) {
    if (other.fingerprint == id.fingerprint) id.epoch = std::max(id.epoch, other.epoch + 1);
  };
  for (const event::GenerationId& past : past_) later(past);
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
  next.file = generations_[index].file;
  next.path = generations_[index].path;
  next.ordinal = nextOrdinal_++;
  generations_[index].file.reset();
  generations_[index].tailLost = event::LossReason::kTruncated;
  longLine_.reset();
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

void StreamTailer::markGone(base::Nanos now) {
  if (!goneAt_) goneAt_ = now;
}

void StreamTailer::acknowledged(const event::BlockHeader& block) {
  for (Generation& generation : generations_) {
    if (generation.id != block.generation) continue;
    if ((block.flags & event::kBlockEnd) != 0) generation.endAcked = true;
  }
  forgetFinished();
}

void StreamTailer::forgetFinished() {
  for (size_t i = 0; i < generations_.size();) {
    Generation& generation = generations_[i];
    if (!generation.endAcked) {
      ++i;
      continue;
    }
    if (generation.id) past_.push_back(*generation.id);
    if (past_.size() > kPastGenerations) past_.erase(past_.begin());
    generations_.erase(generations_.begin() + static_cast<ptrdiff_t>(i));
    if (reading_ > i) --reading_;
  }
}

bool StreamTailer::done() const {
  return goneAt_ && generations_.empty();
}

uint64_t StreamTailer::unsealedBytes() const {
  uint64_t bytes = 0;
  for (const Generation& generation : generations_) {
    if (generation.file == nullptr || generation.endSent) continue;
    const uint64_t size = generation.file->size().value_or(generation.to);
    bytes += size - std::min(size, generation.to);
  }
  return bytes;
}

}  // namespace logtail::agent
