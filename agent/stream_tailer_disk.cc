// StreamTailer's dealings with disk that only this process keeps: what is at risk, what a copy in
// the spool is stored under, what is given up.
#include <algorithm>

#include "agent/fingerprint.h"
#include "agent/stream_tailer.h"

namespace logtail::agent {
namespace {

using Kind = event::ChannelState::Kind;

// Where the file's own bytes end; a compressed one is read to there.
uint64_t endOf(LogFile& file, uint64_t from, std::span<char> scratch) {
  while (!file.size()) {
    const auto got = file.readAt(from, scratch);
    if (!got.ok() || *got == 0) return file.size().value_or(from);
    from += *got;
  }
  return *file.size();
}

}  // namespace

void StreamTailer::collectHeld(base::Nanos patience, const TailContext& context,
                               std::vector<Held>& into) {
  for (size_t i = 0; i < generations_.size(); ++i) {
    const Generation& generation = generations_[i];
    if (generation.file == nullptr || generation.copyOf || generation.endAcked) continue;
    Held held;
    held.tailer = this;
    held.index = i;
    held.unlinked = generation.unlinked || generation.compressed;
    held.elsewhere = generation.compressed;
    held.atRisk = !generation.copied && (!generation.compressed || generation.endangered);
    held.atRisk = held.atRisk && (generation.unlinked || generation.endangered || goneAt_);
    const auto due = untilDeleted(generation, context.clock.wallNanos());
    held.urgent = held.atRisk && due && *due <= patience;
    held.finalAt = finalAt(i, context.grace);
    if (held.unlinked || held.atRisk) into.push_back(held);
  }
}

std::optional<base::Nanos> StreamTailer::untilDeleted(const Generation& generation,
                                                      int64_t wallNanos) const {
  if (generation.unlinked || generation.copyOf) return base::Nanos::zero();
  if (!generation.newerRotated) return std::nullopt;
  return rotation_.untilDeleted(*generation.newerRotated, rotatedKept_, wallNanos);
}

std::optional<base::Nanos> StreamTailer::untilRotationLoss(int64_t wallNanos) const {
  std::optional<base::Nanos> least;
  if (goneAt_) return least;  // nothing rotates any more
  for (const Generation& generation : generations_) {
    if (generation.file == nullptr || generation.endAcked) continue;
    const auto until = untilDeleted(generation, wallNanos);
    if (until && (!least || *until < *least)) least = until;
  }
  return least;
}

// A copy begins at the first byte that a restart needs: behind what is acknowledged, but for an
// open record's earlier parts.
SpoolHeader StreamTailer::headerOf(size_t index) const {
  const Generation& generation = generations_[index];
  SpoolHeader header;
  if (generation.id) {
    header.generation = *generation.id;
  } else {
    const auto print = fingerprint(*generation.file, true);
    if (!print.ok() || !print->has_value()) return header;
    header.generation = {**print, 0};
  }
  header.description = description();
  header.ordinal = generation.ordinal;  // unplanned: not known, DiskKeeper finds one
  header.rotatedNanos = generation.rotatedNanos;
  if (!planned_) return header;
  header.from = generation.ackedTo;
  for (const event::ChannelState& state : ackedChannels_) {
    if (state.kind == Kind::kOpen && state.generation == generation.id) {
      header.from = std::min(header.from, state.offset);
    }
  }
  return header;
}

uint64_t StreamTailer::unsealedBytesOf(size_t index) const {
  const Generation& generation = generations_[index];
  if (generation.file == nullptr || generation.endSent) return 0;
  const uint64_t size = generation.file->size().value_or(generation.to);
  return size - std::min(size, generation.to);
}

bool StreamTailer::needs(const event::GenerationId& id) const {
  if (!planned_) return true;
  for (const event::ChannelState& state : ackedChannels_) {
    if (state.kind == Kind::kOpen && state.generation == id) return true;
  }
  return std::any_of(generations_.begin(), generations_.end(), [&](const Generation& g) {
    return !g.endAcked && (g.id == id || g.copyOf == id);
  });
}

bool StreamTailer::useCopy(size_t index, SpooledCopy copy) {
  Generation& generation = generations_[index];
  // Bytes that straggled in behind the copy's end keep the file.
  if (generation.file->size().value_or(copy.header.to) > copy.header.to) return false;
  if (generation.compressed) ignored_.push_back(generation.gzip);
  generation.copyOf = copy.header.generation;
  generation.copyFrom = copy.header.from;
  generation.file = std::move(copy.file);
  return true;
}

bool StreamTailer::useCompressed(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  auto file = openFile(pathOf(generation) + ".gz", context);
  if (!file.ok() || !holdsUpTo(**file, generation.to, generation.tailHash)) return false;
  generation.file = std::move(*file);
  generation.name += ".gz";
  generation.compressed = generation.unlinked = false;
  return true;
}

void StreamTailer::giveUp(size_t index, TailContext& context) {
  Generation& generation = generations_[index];
  if (!generation.id) {
    const auto print = fingerprint(*generation.file, true);
    if (print.ok()) generation.print = *print;
  }
  generation.lostTo = endOf(*generation.file, generation.to, context.slab);
  generation.tailLost = event::LossReason::kGivenUp;
  generation.scanned = 0;
  generation.file.reset();
}

void StreamTailer::giveUpCopy(const SpoolHeader& copy, TailContext& context) {
  for (size_t i = 0; i < generations_.size(); ++i) {
    if (generations_[i].copyOf != copy.generation) continue;
    if (generations_[i].file != nullptr) giveUp(i, context);
    return;
  }
  if (planned_ || lostWithCopy(copy) == 0) return;
  Generation& generation = *generations_.emplace(generations_.begin());
  generation.copyOf = copy.generation;
  generation.print = copy.generation.fingerprint;
  generation.lostTo = copy.to;
  generation.tailLost = event::LossReason::kGivenUp;
}

uint64_t StreamTailer::lostWithCopy(const SpoolHeader& copy) const {
  for (size_t i = 0; i < generations_.size(); ++i) {
    if (generations_[i].copyOf == copy.generation) return unsealedBytesOf(i);
  }
  if (planned_) return 0;
  // The ledger did not answer yet: what the directory's files have is not lost.
  for (const Generation& generation : generations_) {
    if (generation.file == nullptr) continue;
    const auto print = fingerprint(*generation.file, true);
    if (print.ok() && *print == std::optional(copy.generation.fingerprint)) return 0;
  }
  return copy.to - copy.from;
}

}  // namespace logtail::agent
