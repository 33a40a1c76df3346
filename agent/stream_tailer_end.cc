// StreamTailer's dealings with ends: of files, of generations, of the stream.
#include <algorithm>

#include "agent/fingerprint.h"
#include "agent/stream_tailer.h"

namespace logtail::agent {
namespace {

constexpr size_t kPastGenerations = 16;
constexpr base::Nanos kDescriptorRetry = std::chrono::milliseconds(100);

}  // namespace

StreamTailer::Step StreamTailer::afterEndOfFile(size_t index, TailContext& context) {
  const base::Nanos final = finalAt(index, context.grace);
  if (final <= context.clock.steady()) return finish(index, context);
  if (final != base::Nanos::max()) wakeBy(final);
  // The successor was in the list before this end was read: a writer that keeps the order has moved
  // on, so may we. Stragglers are read until the grace is over. A line that is longer than the slab
  // and has no end yet waits for the file's final end.
  if (index + 1 < generations_.size() && index == reading_ && generations_[index].scanned == 0) {
    ++reading_;
    return Step::kProgress;
  }
  return Step::kEndOfFile;
}

// When its end is (or became) final; max while nothing has come behind it.
base::Nanos StreamTailer::finalAt(size_t index, base::Nanos grace) const {
  const Generation& generation = generations_[index];
  const bool isLast = index + 1 == generations_.size() && !unopenedBehind_;
  const std::optional<base::Nanos> since = isLast ? goneAt_ : generation.successorSeen;
  // Compressed files and copies are whole.
  if (generation.file != nullptr && (generation.file->isGzip() || generation.copyOf)) {
    return since.value_or(base::Nanos::zero());
  }
  return since ? *since + grace : base::Nanos::max();
}

// What is behind the last newline of a file that is at its final end is a record, incomplete.
StreamTailer::Step StreamTailer::emitRest(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  if (generation.scanned > 0) return emitLongLine(generation, generation.scanned, true, context);
  const auto got = generation.file->readAt(generation.to, context.slab);
  if (!got.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
  if (*got == 0) return Step::kEndOfFile;
  const std::string_view rest(context.slab.data(), *got);
  // Whole lines came after the end was met: they are read like all others.
  if (rest.find('\n') != std::string_view::npos || rest.size() == context.slab.size()) {
    return Step::kProgress;
  }
  noteRead(generation, generation.to + rest.size(), context);
  const uint64_t to = generation.to + rest.size();
  const auto tail = tailHash(*generation.file, to);
  if (!tail.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
  return emitLine(generation, {rest, generation.to, rest.size(), true}, to, *tail, context);
}

StreamTailer::Step StreamTailer::finish(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  if (!identify(generation, true, context)) {  // empty, or unreadable from its start
    generation.endSent = generation.endAcked = true;
    return Step::kProgress;
  }
  if (generation.gapTo > generation.to) return loseGap(generation, context);
  if (const Step step = emitRest(index, context); step != Step::kEndOfFile) return step;
  if (generation.file->damaged()) {
    return loseRest(generation, event::LossReason::kUnreadable, context);
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
  auto ended = std::make_unique<Generation>();
  ended->id = generation.id;
  ended->ordinal = generation.ordinal;
  ended->flags = generation.flags;
  ended->to = generation.to;
  ended->tailHash = generation.tailHash;
  ended->doubtTo = generation.doubtTo;
  lastEnded_ = std::move(ended);
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

// The last files of a stream that is gone may be empty: what is still open then belongs to the
// generation that ended last.
Turn StreamTailer::flushAtStreamEnd(TailContext& context) {
  if (!goneAt_ || !lastEnded_) return Turn::kIdle;
  if (!assembler_.anyOpen() && abandonedBytes_ == 0) return Turn::kIdle;
  if (reading_ < generations_.size()) return Turn::kIdle;
  return finishStream(*lastEnded_, context) == Step::kBlocked ? Turn::kBlocked : Turn::kMore;
}

StreamTailer::Step StreamTailer::loseRest(Generation& generation, event::LossReason reason,
                                          TailContext& context) {
  if (!generation.id) {  // never identified: nothing of it was ever announced
    generation.endSent = generation.endAcked = true;
    return Step::kProgress;
  }
  if (!beginBlock(generation, context)) return Step::kBlocked;
  uint64_t to = std::max(generation.to, generation.lostTo.value_or(0));
  if (generation.file != nullptr) to = std::max(to, generation.file->size().value_or(to));
  if (to > generation.to) context.writer.lose(reason, to - generation.to);
  uint32_t flags = generation.flags | event::kBlockEnd;
  if (to == generation.to && generation.lostTo != to) {
    context.writer.lose(reason, 0);
    flags |= event::kBlockTailLost;
  }
  endBlock(generation, to, to == generation.to ? generation.tailHash : 0, flags, context);
  generation.file.reset();
  generation.scanned = 0;
  markEnded(generation);
  return Step::kProgress;
}

// The first bytes of a copy in the spool that the ledger lost again.
StreamTailer::Step StreamTailer::loseGap(Generation& generation, TailContext& context) {
  const auto tail = tailHash(*generation.file, generation.gapTo);
  if (!tail.ok()) return loseRest(generation, event::LossReason::kUnreadable, context);
  if (!beginBlock(generation, context)) return Step::kBlocked;
  context.writer.lose(event::LossReason::kRotatedAway, generation.gapTo - generation.to);
  endBlock(generation, generation.gapTo, *tail, generation.flags, context);
  generation.readTo = std::max(generation.readTo, generation.to);
  return Step::kProgress;
}

// Each file by itself: one that waits for a successor which cannot be opened must not be in its
// way.
bool StreamTailer::rest() {
  if (!planned_ || goneAt_) return false;
  bool any = false;
  for (Generation& generation : generations_) {
    const bool isPlain = generation.file != nullptr && !generation.file->isGzip() &&
                         !generation.copyOf && generation.listed && !generation.compressed;
    const bool isRead = generation.id && generation.ackedTo == generation.to &&
                        generation.scanned == 0 && !generation.atEnd && !generation.endSent;
    if (!isPlain || !isRead || generation.file->size() != generation.to) continue;
    generation.file.reset();
    generation.resting = any = true;
  }
  return any;
}

// They are found again by the look that follows when there are descriptors.
void StreamTailer::letGoUnread(size_t from) {
  while (generations_.size() > from) {
    const Generation& last = generations_.back();
    const bool isUnread = last.file != nullptr && !last.copyOf && last.listed && last.to == 0 &&
                          last.readTo == 0 && last.scanned == 0 && !last.endSent;
    if (!isUnread) return;
    generations_.pop_back();
    reading_ = std::min(reading_, generations_.size());
    ++unopened_;
    unopenedBehind_ = true;
  }
}

// Opened again by its name, which rotation may have changed: then by its inode's.
StreamTailer::Step StreamTailer::wakeFile(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  // Files behind it that nobody has read would wait for it with a descriptor in hand.
  if (context.descriptors->full()) letGoUnread(index + 1);
  auto file = openFile(pathOf(generation), context);
  if (file.ok() && (*file)->inode() == generation.seen.inode) {
    generation.file = std::move(*file);
    generation.resting = false;
    return Step::kProgress;
  }
  if (!file.ok() && file.code() != base::Errc::kNotFound) {
    wakeBy(context.clock.steady() + kDescriptorRetry);
    return Step::kEndOfFile;
  }
  const uint64_t inode = generation.seen.inode;
  refresh(context);  // `generation` may have moved
  const auto at = std::find_if(generations_.begin(), generations_.end(),
                               [&](const auto& g) { return g.resting && g.seen.inode == inode; });
  if (at == generations_.end() || (at->listed && !at->compressed)) return Step::kProgress;
  if (at->compressed) {
    auto copy = openFile(pathOf(*at) + ".gz", context);
    if (!copy.ok()) {
      wakeBy(context.clock.steady() + kDescriptorRetry);
      return Step::kEndOfFile;
    }
    at->file = std::move(*copy);
    at->name += ".gz";
    at->compressed = false;
  } else {
    at->tailLost = event::LossReason::kRotatedAway;
    at->awaited = unopened_ > 0;  // perhaps as one of those
  }
  at->resting = false;
  return Step::kProgress;
}

void StreamTailer::markGone(base::Nanos now) {
  if (!goneAt_) goneAt_ = now;
}

void StreamTailer::acknowledged(const event::BlockHeader& block) {
  ackedChannels_ = block.channels;
  for (Generation& generation : generations_) {
    if (generation.id != block.generation) continue;
    generation.ackedTo = block.to;
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
    if (generation.id) {
      past_.push_back(
          {*generation.id, generation.to, generation.tailHash, base::hash64(generation.name)});
    }
    if (past_.size() > kPastGenerations) past_.erase(past_.begin());
    generations_.erase(generations_.begin() + static_cast<ptrdiff_t>(i));
    if (reading_ > i) --reading_;
  }
}

bool StreamTailer::done() const {
  return planned_ && goneAt_ && generations_.empty() && !assembler_.anyOpen() &&
         abandonedBytes_ == 0;
}

void StreamTailer::reset() {
  planned_ = false;
  reading_ = 0;
  lastEnded_.reset();
  abandonedBytes_ = 0;
  assembler_.resume({});
  ackedChannels_ = {};
  past_.clear();
  ignored_.clear();
  sealed_ = {};
  std::vector<Generation> held;
  for (Generation& old : generations_) {
    const bool givenUp = old.tailLost == event::LossReason::kGivenUp;
    if (old.file == nullptr && !givenUp) continue;
    if (old.copyOf && !givenUp) continue;  // plan() gets the spool's copies again
    Generation& generation = held.emplace_back();
    generation.file = std::move(old.file);
    generation.name = std::move(old.name);
    generation.copyOf = old.copyOf;
    generation.copyFrom = old.copyFrom;
    generation.compressed = old.compressed;
    generation.unlinked = old.unlinked;
    generation.endangered = old.endangered;
    generation.newerRotated = old.newerRotated;
    generation.rotatedNanos = old.rotatedNanos;
    if (!givenUp) continue;
    generation.tailLost = old.tailLost;
    generation.lostTo = old.lostTo;
    generation.print = old.id ? old.id->fingerprint : old.print;
  }
  generations_ = std::move(held);
}

}  // namespace logtail::agent
