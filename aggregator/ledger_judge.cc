// Admission: the verdict on each block of a frame, before anything is changed.

#include "aggregator/ledger.h"

namespace logtail::aggregator {
namespace {

using event::BlockHeader;
using event::GenerationResume;
using event::Resume;

// Larger figures are lies, and their sums would wrap.
constexpr uint64_t kMaxBytes = uint64_t{1} << 56;

uint64_t openBytes(const Resume& at) {
  return at.channels[0].openBytes + at.channels[1].openBytes;
}

const char* impossible(const BlockHeader& b) {
  uint64_t largest = b.to | b.recordBytes | b.lostBytes;
  for (const event::ChannelState& channel : b.channels) largest |= channel.openBytes;
  for (const event::DropCount& drop : b.drops) largest |= drop.bytes | drop.records;
  if (largest >= kMaxBytes) return "a count beyond 2^56";
  if (b.records == 0 && b.digest != 0) return "a digest without records";
  if (b.records > 0 && b.minTimeNanos > b.maxTimeNanos) return "times out of order";
  return nullptr;
}

uint64_t explained(const BlockHeader& b) {
  return b.recordBytes + b.dropBytes() + b.lostBytes + b.openBytes();
}

// The law of docs/wire-format.md. Where something before the block is missing, the open bytes
// before are unknown: then the figures only must not be impossible.
bool lawHolds(const Resume& at, const BlockHeader& b, bool contiguous) {
  const uint64_t length = b.to - b.from;
  if (contiguous) return openBytes(at) + length == explained(b);
  return explained(b) >= length;
}

bool changesAnything(const Resume& at, const GenerationResume& known, const BlockHeader& b) {
  return b.records > 0 || b.lostBytes > 0 || b.dropBytes() > 0 || b.channels != at.channels ||
         ((b.flags & (event::kBlockEnd | event::kBlockTailLost)) != 0 && !known.end);
}

// Whether a new generation follows directly on what is known: then nothing is missing in between
// that could have opened or closed a record.
bool followsDirectly(const Resume& at, const BlockHeader& b) {
  for (const GenerationResume& generation : at.generations) {
    if (!generation.end) return false;
  }
  return b.from == 0 && b.ordinal == at.generations.back().ordinal + 1;
}

}  // namespace

Ledger::Ruling Ledger::judge(const Resume& at, const BlockHeader& b) {
  using Kind = Admission::Kind;
  if (const char* reason = impossible(b)) return {Kind::kPoison, {}, reason};
  const char* kLaw = "open before + length != records + drops + lost + open after";

  const GenerationResume* known = at.find(b.generation);
  if (known == nullptr) {
    if (at.generations.empty()) {
      // Whoever begins further on, or not with the oldest file, declares the stream's start.
      const bool start = b.from > 0 || b.ordinal > 0;
      if (!lawHolds(at, b, !start)) return {Kind::kPoison, {}, kLaw};
      return {Kind::kAdmit, start ? Verdict::kDeclaredGap : Verdict::kAccept};
    }
    if (!lawHolds(at, b, followsDirectly(at, b))) return {Kind::kPoison, {}, kLaw};
    return {Kind::kAdmit, b.from > 0 ? Verdict::kUndeclaredGap : Verdict::kAccept};
  }
  if (b.from == b.to && b.from == known->to) {
    // Without bytes of its own a block may still end a generation or emit what was open.
    if (!lawHolds(at, b, true) || !changesAnything(at, *known, b)) {
      return {Kind::kAdmit, Verdict::kRepeat};
    }
    return {Kind::kAdmit, Verdict::kAccept};
  }
  if (b.to <= known->to) return {Kind::kAdmit, Verdict::kRepeat};
  if (b.from < known->to) return {Kind::kOverlap};
  const bool contiguous = b.from == known->to;
  if (!lawHolds(at, b, contiguous)) return {Kind::kPoison, {}, kLaw};
  return {Kind::kAdmit, contiguous ? Verdict::kAccept : Verdict::kUndeclaredGap};
}

void Ledger::advance(Resume& at, const BlockHeader& b) {
  at.advance(b);
  if ((b.flags & event::kBlockTailLost) == 0) return;
  // What is lost of a generation will not come any more: that is its end.
  for (GenerationResume& generation : at.generations) {
    if (generation.id == b.generation) generation.end = true;
  }
}

Ledger::Draft& Ledger::draftOf(StreamState& stream) {
  if (stream.scratch != 0) return drafts_[stream.scratch - 1];
  if (draftsUsed_ == drafts_.size()) drafts_.emplace_back();
  Draft& draft = drafts_[draftsUsed_++];
  draft.stream = &stream;
  draft.resume = stream.resume;
  stream.scratch = static_cast<uint32_t>(draftsUsed_);
  return draft;
}

void Ledger::admit(const FrameOrigin& origin, std::span<const BlockHeader> blocks, Admission& out) {
  out = {Admission::Kind::kAdmit, 0, "", {}, false, std::move(out.verdicts)};
  out.verdicts.clear();
  draftsUsed_ = 0;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const BlockHeader& block = blocks[i];
    StreamState* stream = findMutable(block.stream);
    Ruling ruling;
    if (stream == nullptr) {
      ruling.kind = Admission::Kind::kUnknownStream;
    } else if (stream->node != origin.node) {
      ruling.verdict = Verdict::kForbidden;
    } else {
      Draft& draft = draftOf(*stream);
      ruling = judge(draft.resume, block);
      if (ruling.kind == Admission::Kind::kAdmit && wal::isAccepted(ruling.verdict)) {
        advance(draft.resume, block);
        out.anyAccepted = true;
      }
    }
    if (ruling.kind != Admission::Kind::kAdmit) {
      out.kind = ruling.kind;
      out.block = i;
      out.reason = ruling.reason;
      out.stream = block.stream;
      break;
    }
    out.verdicts.push_back(ruling.verdict);
  }
  for (size_t i = 0; i < draftsUsed_; ++i) drafts_[i].stream->scratch = 0;
}

}  // namespace logtail::aggregator
