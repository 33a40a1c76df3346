#include "common/event/resume.h"

#include <algorithm>

namespace logtail::event {

const GenerationResume* Resume::find(const GenerationId& id) const {
  for (const GenerationResume& generation : generations) {
    if (generation.id == id) return &generation;
  }
  return nullptr;
}

void Resume::advance(const BlockHeader& block) {
  channels = block.channels;
  auto at = std::find_if(generations.begin(), generations.end(),
                         [&](const GenerationResume& g) { return g.id == block.generation; });
  if (at == generations.end()) {
    at = std::upper_bound(
        generations.begin(), generations.end(), block.ordinal,
        [](uint32_t ordinal, const GenerationResume& g) { return ordinal < g.ordinal; });
    at = generations.insert(at, GenerationResume{block.generation, block.ordinal, false, 0, 0});
  }
  at->to = block.to;
  at->tailHash = block.tailHash;
  at->end = at->end || (block.flags & kBlockEnd) != 0;
  if (generations.size() > kMaxGenerations) generations.erase(generations.begin());
}

void encode(const Resume& resume, std::string& out) {
  base::putFixed(out, resume.startTimeNanos);
  for (const ChannelState& state : resume.channels) encode(state, out);
  base::putVarint(out, resume.generations.size());
  for (const GenerationResume& generation : resume.generations) {
    base::putFixed(out, generation.id.fingerprint);
    base::putVarint(out, generation.id.epoch);
    base::putVarint(out, generation.ordinal);
    base::putVarint(out, generation.to);
    base::putFixed(out, generation.tailHash);
    out.push_back(generation.end ? 1 : 0);
  }
}

Resume decodeResume(base::Decoder& in) {
  Resume resume;
  resume.startTimeNanos = in.fixed<int64_t>();
  for (ChannelState& state : resume.channels) state = decodeChannelState(in);
  const uint64_t count = in.varint();
  if (count > kMaxGenerations) return in.fail(), resume;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    GenerationResume generation;
    generation.id.fingerprint = in.fixed<uint64_t>();
    generation.id.epoch = static_cast<uint32_t>(in.varint());
    generation.ordinal = static_cast<uint32_t>(in.varint());
    generation.to = in.varint();
    generation.tailHash = in.fixed<uint64_t>();
    generation.end = (in.fixed<uint8_t>() & 1) != 0;
    resume.generations.push_back(generation);
  }
  return resume;
}

}  // namespace logtail::event
