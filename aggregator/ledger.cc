#include "aggregator/ledger.h"

#include <algorithm>
#include <utility>

namespace logtail::aggregator {
namespace {

using event::BlockHeader;
using event::GenerationResume;
using event::Resume;
using event::StreamKey;

// What a stream takes: state, map node, a few generations, a description of usual size.
constexpr uint64_t kStreamBytes = sizeof(StreamState) + 1024;

uint64_t openBytes(const Resume& at) {
  return at.channels[0].openBytes + at.channels[1].openBytes;
}

// Bytes by which `ahead` is further than `behind`, over generations that `behind` may still know.
uint64_t bytesAhead(const Resume& ahead, const Resume& behind) {
  const bool full = behind.generations.size() >= event::kMaxGenerations;
  uint64_t bytes = 0;
  for (const GenerationResume& generation : ahead.generations) {
    const GenerationResume* known = behind.find(generation.id);
    const uint64_t to = known != nullptr ? known->to : 0;
    if (known == nullptr && full && generation.ordinal < behind.generations.front().ordinal) {
      continue;
    }
    if (generation.to > to) bytes += generation.to - to;
  }
  return bytes;
}

// A checkpoint of another queue, with what only this ledger knows put in.
Resume merged(const Resume& checkpoint, const Resume& known) {
  Resume result = checkpoint;
  for (const GenerationResume& generation : known.generations) {
    if (result.find(generation.id) != nullptr) continue;
    result.generations.push_back(generation);
  }
  std::stable_sort(
      result.generations.begin(), result.generations.end(),
      [](const GenerationResume& a, const GenerationResume& b) { return a.ordinal < b.ordinal; });
  while (result.generations.size() > event::kMaxGenerations) {
    result.generations.erase(result.generations.begin());
  }
  return result;
}

}  // namespace

Ledger::Ledger(Limits limits, base::MemoryBudget& budget) : limits_(limits), budget_(budget) {}
Ledger::~Ledger() = default;

void Ledger::clear() {
  streams_.clear();
  nodes_.clear();
  retired_ = {};
  letGo_ = {};
  sequence_ = damagedRecords_ = unbudgetedBytes_ = 0;
}

// --- frames
// ---------------------------------------------------------------------------------------

bool Ledger::begin(uint64_t entry) {
  if (entry <= sequence_) return false;
  sequence_ = entry;
  return true;
}

void Ledger::apply(uint64_t entry, const FrameOrigin& origin, std::span<const BlockHeader> blocks,
                   std::span<const Verdict> verdicts) {
  if (!begin(entry)) return;
  NodeState& node = obtainNode(origin.node);
  const bool resent = origin.life == node.life && origin.sequence <= node.lastFrame;
  for (size_t i = 0; i < blocks.size() && i < verdicts.size(); ++i) {
    applyBlock(origin, blocks[i], verdicts[i], resent);
  }
  if (origin.life != node.life) node.lastFrame = 0;
  node.life = origin.life;
  node.lastFrame = std::max(node.lastFrame, origin.sequence);
  node.unproven = origin.unproven;
  node.forgotten = false;
}

void Ledger::countRepeats(std::span<const BlockHeader> blocks, std::span<const Verdict> verdicts,
                          bool resent) {
  for (size_t i = 0; i < blocks.size() && i < verdicts.size(); ++i) {
    if (!wal::isAccepted(verdicts[i])) applyBlock({}, blocks[i], verdicts[i], resent);
  }
}

void Ledger::applyBlock(const FrameOrigin& origin, const BlockHeader& b, Verdict verdict,
                        bool resent) {
  const uint64_t length = b.to - b.from;
  StreamState* found = findMutable(b.stream);
  if (!wal::isAccepted(verdict)) {
    if (found == nullptr) return;
    Tally& tally = verdict == Verdict::kForbidden ? found->totals.forbidden
                   : resent                       ? found->totals.resent
                                                  : found->totals.repeated;
    ++tally.blocks;
    tally.bytes += length;
    return;
  }
  StreamState& stream = found != nullptr ? *found : obtain(origin.node, b.stream);
  // Queued blocks of a stream whose snapshot record or description is gone: its totals begin here.
  if (found == nullptr) stream.rebuilt = true;
  if (stream.life != origin.life) {
    stream.life = origin.life;
    stream.ofLife = {};
  }
  stream.ofLife.bytes += length;
  stream.ofLife.records += b.records;
  stream.ofLife.digest += b.digest;
  take(stream, b, verdict);
}

void Ledger::countGap(StreamState& stream, const BlockHeader& b, Verdict verdict) {
  const GenerationResume* known = stream.resume.find(b.generation);
  const uint64_t to = known != nullptr ? known->to : 0;
  StreamTotals& totals = stream.totals;
  const uint64_t missing = b.from > to ? b.from - to : 0;
  if (verdict == Verdict::kDeclaredGap) {
    totals.startBytes += missing;
    stream.resume.startTimeNanos = b.records > 0 ? b.minTimeNanos : b.observedNanos;
  } else if (verdict == Verdict::kUndeclaredGap) {
    ++totals.gaps.blocks;
    totals.gaps.bytes += missing;
  } else if (missing > 0 && !stream.rebuilt) {
    // It was contiguous when it was admitted: what came before it was durable and is damaged now.
    ++totals.lostAfterAck.blocks;
    totals.lostAfterAck.bytes += missing;
  }
}

// A new epoch is rightly begun when a file was rewritten under an equal first line. That it ends a
// block where the earlier epoch stood, with the same 4 KiB before it, proves that the same file
// came twice, if its lines have times of their own: lines without one, which are as old as their
// reading, may have been written twice.
void Ledger::countAgain(StreamState& stream, const BlockHeader& b) {
  constexpr int64_t kOwnTimeNanos = 1'000'000'000;
  if (b.generation.epoch == 0) return;
  const bool declared = stream.inDoubt || (b.flags & event::kBlockInDoubt) != 0;
  const bool hasOwnTimes = b.records > 0 && b.minTimeNanos < b.observedNanos - kOwnTimeNanos;
  bool known = false;
  bool same = false;
  for (const GenerationResume& earlier : stream.resume.generations) {
    if (earlier.id.fingerprint != b.generation.fingerprint) continue;
    if (earlier.id.epoch >= b.generation.epoch) continue;
    known = true;
    same = same || (earlier.to == b.to && earlier.tailHash == b.tailHash && b.from < b.to);
  }
  if (!known) return;
  StreamTotals& totals = stream.totals;
  totals.begunAgain.blocks += stream.resume.find(b.generation) == nullptr ? 1 : 0;
  totals.begunAgain.bytes += b.to - b.from;
  if (!same || !hasOwnTimes || declared) return;
  ++totals.doubled.blocks;
  totals.doubled.bytes += b.to;
}

void Ledger::take(StreamState& stream, const BlockHeader& b, Verdict verdict) {
  StreamTotals& totals = stream.totals;
  countGap(stream, b, verdict);
  const uint64_t length = b.to - b.from;
  const uint64_t lost = b.lostBytes;
  ++totals.blocks;
  totals.consumedBytes += length;
  totals.content.add({b.records, b.recordBytes, b.digest});
  for (size_t i = 0; i < event::kDropReasons; ++i) {
    totals.drops[i].records += b.drops[i].records;
    totals.drops[i].bytes += b.drops[i].bytes;
  }
  totals.lost[static_cast<size_t>(b.lossReason)] += lost;
  totals.tailsLost += (b.flags & event::kBlockTailLost) != 0 ? 1 : 0;
  if (stream.inDoubt || (b.flags & event::kBlockInDoubt) != 0) {
    ++totals.inDoubt.blocks;
    totals.inDoubt.bytes += length;
  }
  // What the block itself says was open before it, against what is known: 0 unless something is
  // missing in between.
  totals.openAdjust +=
      b.recordBytes + b.dropBytes() + lost + b.openBytes() - length - openBytes(stream.resume);
  countAgain(stream, b);
  const std::vector<GenerationResume>& generations = stream.resume.generations;
  const bool full = generations.size() == event::kMaxGenerations;
  const bool oldestUnfinished = full && !generations.front().end;
  const event::GenerationId oldest = full ? generations.front().id : event::GenerationId{};
  advance(stream.resume, b);
  if (!oldestUnfinished || stream.resume.find(oldest) != nullptr) return;
  ++totals.unfinishedForgotten;
  ++letGo_.generations;
}

// --- streams
// --------------------------------------------------------------------------------------

bool Ledger::forgetEarly(std::string_view node) {
  const StreamState* oldest = nullptr;
  for (const auto& [key, slot] : streams_) {
    const StreamState& stream = slot->state;
    if (stream.endedNanos == 0 || stream.node != node) continue;
    if (oldest == nullptr || stream.endedNanos < oldest->endedNanos) oldest = &stream;
  }
  if (oldest == nullptr) return false;
  ++obtainNode(node).forcedForgets;
  ++letGo_.streams;
  erase(oldest->key);
  return true;
}

base::Status Ledger::makeRoom(std::string_view node, uint64_t bytes) {
  for (;;) {
    const NodeState* owner = findNode(node);
    const char* full = nullptr;
    if (owner != nullptr && owner->streams >= limits_.streamsPerNode) {
      full = "the node has as many streams as the ledger keeps for one";
    } else if (streams_.size() >= limits_.streams) {
      full = "the ledger has as many streams as it keeps";
    } else if (!budget_.reserve(bytes)) {
      full = "no memory left for another stream";
    }
    if (full == nullptr) return {};
    if (!forgetEarly(node)) return {base::Errc::kPushBack, full};
  }
}

base::Result<Ledger::Open> Ledger::judgeOpen(const OpenRequest& request, uint64_t queueId) {
  Open open;
  const Resume* checkpoint = request.checkpoint;
  const StreamState* known = find(request.key);
  const bool ours = checkpoint != nullptr && request.checkpointQueueId == queueId;
  if (known != nullptr && known->node != request.node) {
    open.status = OpenStatus::kForbidden;
    return open;
  }
  if (known == nullptr) {
    LOGTAIL_TRY(makeRoom(request.node, kStreamBytes + request.description.size()));
    open.store = true;
    if (ours && !checkpoint->empty()) {
      open.status = OpenStatus::kLostAfterAck;
    } else if (checkpoint != nullptr && !checkpoint->empty()) {
      open.status = OpenStatus::kMoved;
      open.declares = true;
      open.resume = *checkpoint;
    }
    return open;
  }
  open.status = OpenStatus::kKnown;
  open.resume = known->resume;
  open.store = known->description != request.description || known->endedNanos != 0;
  if (checkpoint == nullptr || bytesAhead(*checkpoint, known->resume) == 0) return open;
  if (ours) {
    open.status = OpenStatus::kLostAfterAck;
    return open;
  }
  // It has been with another aggregator meanwhile: what is between is in that one's queue.
  open.status = OpenStatus::kMoved;
  open.store = open.declares = true;
  open.resume = merged(*checkpoint, known->resume);
  return open;
}

void Ledger::applyOpen(uint64_t entry, std::string_view node, const StreamKey& key,
                       std::string_view description, const Resume* declared) {
  if (!begin(entry)) return;
  StreamState* stream = findMutable(key);
  if (stream == nullptr) {
    stream = &obtain(node, key);
    stream->inDoubt = declared == nullptr && obtainNode(node).forcedForgets > 0;
  }
  stream->description = description;
  stream->endedNanos = 0;
  obtainNode(node).forgotten = false;
  if (declared == nullptr) return;
  const uint64_t ahead = bytesAhead(*declared, stream->resume);
  if (ahead > 0) {
    ++stream->totals.moved.blocks;
    stream->totals.moved.bytes += ahead;
  }
  stream->totals.openAdjust += openBytes(*declared) - openBytes(stream->resume);
  stream->resume = *declared;
}

void Ledger::learn(uint64_t entry, std::string_view node, const StreamKey& key,
                   std::string_view description) {
  StreamState* stream = findMutable(key);
  if (stream == nullptr && entry > sequence_) {
    stream = &obtain(node, key);
    stream->rebuilt = true;
  }
  if (stream != nullptr && stream->description.empty()) stream->description = description;
}

void Ledger::applyStreamEnd(uint64_t entry, const StreamKey& key, int64_t timeNanos) {
  if (!begin(entry)) return;
  if (StreamState* stream = findMutable(key)) stream->endedNanos = timeNanos;
}

uint64_t Ledger::forgetEnded(int64_t beforeNanos) {
  std::vector<StreamKey> old;
  for (const auto& [key, slot] : streams_) {
    const StreamState& stream = slot->state;
    if (stream.endedNanos != 0 && stream.endedNanos < beforeNanos) old.push_back(key);
  }
  for (const StreamKey& key : old) erase(key);
  return old.size();
}

void Ledger::erase(const StreamKey& key) {
  const auto at = streams_.find(key);
  if (at == streams_.end()) return;
  retired_.add(at->second->state.totals);
  NodeState& node = obtainNode(at->second->state.node);
  if (--node.streams == 0 && node.forgotten) nodes_.erase(std::string(node.name));
  if (!at->second->memory) unbudgetedBytes_ -= kStreamBytes;
  streams_.erase(at);
}

// --- lookup
// ---------------------------------------------------------------------------------------

StreamState* Ledger::findMutable(const StreamKey& key) {
  const auto at = streams_.find(key);
  return at == streams_.end() ? nullptr : &at->second->state;
}

const StreamState* Ledger::find(const StreamKey& key) const {
  const auto at = streams_.find(key);
  return at == streams_.end() ? nullptr : &at->second->state;
}

StreamState& Ledger::obtain(std::string_view node, const StreamKey& key) {
  std::unique_ptr<Slot>& slot = streams_[key];
  if (slot == nullptr) {
    slot = std::make_unique<Slot>();
    slot->memory = budget_.reserve(kStreamBytes);
    // Replay may not refuse: what the queue holds is real, budget or not.
    if (!slot->memory) unbudgetedBytes_ += kStreamBytes;
    slot->state.key = key;
    slot->state.node = node;
    ++obtainNode(node).streams;
  }
  return slot->state;
}

NodeState& Ledger::obtainNode(std::string_view node) {
  auto at = nodes_.find(node);
  if (at == nodes_.end()) {
    at = nodes_.emplace(std::string(node), NodeState{}).first;
    at->second.name = node;
  }
  return at->second;
}

const NodeState* Ledger::findNode(std::string_view node) const {
  const auto at = nodes_.find(node);
  return at == nodes_.end() ? nullptr : &at->second;
}

void Ledger::forEach(const std::function<void(const StreamState&)>& visit) const {
  for (const auto& [key, slot] : streams_) visit(slot->state);
}

void Ledger::forEachNode(const std::function<void(const NodeState&)>& visit) const {
  for (const auto& [name, node] : nodes_) visit(node);
}

}  // namespace logtail::aggregator
