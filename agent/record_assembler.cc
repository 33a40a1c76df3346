#include "agent/record_assembler.h"

#include <algorithm>
#include <cstring>

namespace logtail::agent {
namespace {

using Kind = event::ChannelState::Kind;

uint8_t channelFlag(bool isStderr) {
  return isStderr ? uint8_t{event::kRecordStderr} : uint8_t{0};
}

}  // namespace

RecordAssembler::Consumed RecordAssembler::consume(std::string_view bytes,
                                                   const event::GenerationId& generation,
                                                   uint64_t offset, int64_t observedNanos,
                                                   event::UnitWriter& writer) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* at = begin;
  while (at < end) {
    const auto* newline =
        static_cast<const char*>(std::memchr(at, '\n', static_cast<size_t>(end - at)));
    if (newline == nullptr) break;
    const std::string_view line(at, static_cast<size_t>(newline - at));
    const uint64_t lineOffset = offset + static_cast<uint64_t>(at - begin);
    parsers::CriLine cri;
    if (parsers::parseCri(line, cache_, cri) == parsers::CriResult::kOk && !cri.partial &&
        open_[cri.isStderr].state.kind == Kind::kNone && line.size() - cri.messageAt <= maxLine_) {
      const std::string_view message = line.substr(cri.messageAt);
      if (!writer.fits(message.size())) return {static_cast<uint64_t>(at - begin), Stop::kUnitFull};
      writer.add(cri.timeNanos, lineOffset, channelFlag(cri.isStderr), message, line.size() + 1);
    } else if (!consumeLine({line, lineOffset, line.size() + 1, false}, generation, observedNanos,
                            writer)) {
      return {static_cast<uint64_t>(at - begin), Stop::kUnitFull};
    }
    at = newline + 1;
  }
  return {static_cast<uint64_t>(at - begin), Stop::kNeedMore};
}

bool RecordAssembler::consumeLine(const PhysicalLine& line, const event::GenerationId& generation,
                                  int64_t observedNanos, event::UnitWriter& writer) {
  if (line.text.empty()) {
    writer.drop(event::DropReason::kEmptyLine, 1, line.rawBytes);
    return true;
  }
  parsers::CriLine cri;
  if (parsers::parseCri(line.text, cache_, cri) == parsers::CriResult::kOk) {
    return join(line, cri, generation, writer);
  }
  if (!emitWhole(line, observedNanos, event::kRecordMalformed, line.text, writer)) return false;
  ++counts_.malformedLines;
  return true;
}

bool RecordAssembler::emitWhole(const PhysicalLine& line, int64_t timeNanos, uint8_t flags,
                                std::string_view text, event::UnitWriter& writer) {
  const std::string_view kept = text.substr(0, maxLine_);
  if (!writer.fits(kept.size())) return false;
  // What the record stands for: the line up to where its message was cut.
  uint64_t recordBytes = line.rawBytes;
  if (kept.size() < text.size() || line.rawBytes > line.text.size() + 1) {
    recordBytes = line.text.size() - text.size() + kept.size();
    writer.drop(event::DropReason::kOverLimit, 0, line.rawBytes - recordBytes);
    flags |= event::kRecordTruncated;
    ++counts_.cutAtLimit;
  }
  if (line.unfinished) {
    flags |= event::kRecordIncomplete;
    ++counts_.incompleteRecords;
  }
  writer.add(timeNanos, line.offset, flags, kept, recordBytes);
  return true;
}

bool RecordAssembler::join(const PhysicalLine& line, const parsers::CriLine& cri,
                           const event::GenerationId& generation, event::UnitWriter& writer) {
  OpenRecord& open = open_[cri.isStderr];
  const std::string_view part = line.text.substr(std::min<size_t>(cri.messageAt, line.text.size()));
  const uint8_t flags = channelFlag(cri.isStderr);
  if (open.state.kind == Kind::kCut) {
    writer.drop(event::DropReason::kOverLimit, 0, line.rawBytes);
    if (!cri.partial) clear(open);
    return true;
  }
  if (open.state.kind == Kind::kNone) {
    const bool tooLong = part.size() > maxLine_ || line.rawBytes > line.text.size() + 1;
    if (!cri.partial || tooLong) {
      if (!emitWhole(line, cri.timeNanos, flags, part, writer)) return false;
      if (cri.partial) open.state = {Kind::kCut, generation, line.offset, 0};
      return true;
    }
    open.state = {Kind::kOpen, generation, line.offset, 0};
    open.timeNanos = cri.timeNanos;
  }
  const bool overLimit = open.text.size() + part.size() > maxLine_;
  const bool noMemory = !overLimit && cri.partial && !open.memory.grow(budget_, part.size());
  if (!overLimit && !noMemory && cri.partial) {
    open.text.append(part);
    open.state.openBytes += line.rawBytes;
    return true;
  }
  const uint8_t cut = overLimit || noMemory ? uint8_t{event::kRecordTruncated} : uint8_t{0};
  const uint8_t torn = line.unfinished ? uint8_t{event::kRecordIncomplete} : uint8_t{0};
  if (!emitOpen(open, generation, part, line.rawBytes,
                static_cast<uint8_t>(flags | (cri.partial || overLimit ? cut : 0) | torn),
                writer)) {
    if (open.state.openBytes == 0) clear(open);  // opened by this very line, which comes again
    return false;
  }
  if (overLimit) ++counts_.cutAtLimit;
  if (noMemory) ++counts_.cutForMemory;
  if (torn != 0) ++counts_.incompleteRecords;
  const event::ChannelState was = open.state;
  clear(open);
  if (cri.partial) open.state = {Kind::kCut, was.generation, was.offset, 0};
  return true;
}

bool RecordAssembler::emitOpen(OpenRecord& open, const event::GenerationId& generation,
                               std::string_view lastPart, uint64_t lastBytes, uint8_t flags,
                               event::UnitWriter& writer) {
  const size_t size = std::min(maxLine_, open.text.size() + lastPart.size());
  if (!writer.fits(size)) return false;
  open.text.append(lastPart.substr(0, size - open.text.size()));
  const uint64_t rawBytes = open.state.openBytes + lastBytes;
  if (open.state.generation == generation) {
    writer.add(open.timeNanos, open.state.offset, flags, open.text, rawBytes);
  } else {
    writer.addForeign(open.timeNanos, open.state.generation, open.state.offset, flags, open.text,
                      rawBytes);
  }
  return true;
}

bool RecordAssembler::finish(const event::GenerationId& current, event::UnitWriter& writer) {
  for (size_t channel = 0; channel < event::kChannels; ++channel) {
    OpenRecord& open = open_[channel];
    if (open.state.kind == Kind::kOpen) {
      const auto flags = static_cast<uint8_t>(channelFlag(channel == 1) | event::kRecordIncomplete);
      if (!emitOpen(open, current, {}, 0, flags, writer)) return false;
      ++counts_.incompleteRecords;
    }
    clear(open);
  }
  return true;
}

void RecordAssembler::resume(const event::ChannelStates& states) {
  for (size_t channel = 0; channel < event::kChannels; ++channel) {
    clear(open_[channel]);
    open_[channel].state = states[channel];
  }
}

void RecordAssembler::rebuild(event::Channel channel, std::string_view lines) {
  OpenRecord& open = open_[static_cast<size_t>(channel)];
  while (!lines.empty()) {
    const size_t length = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, length);
    lines.remove_prefix(std::min(length + 1, lines.size()));
    parsers::CriLine cri;
    if (parsers::parseCri(line, cache_, cri) != parsers::CriResult::kOk) continue;
    if (cri.isStderr != (channel == event::Channel::kStderr)) continue;
    const std::string_view part = line.substr(cri.messageAt);
    if (open.text.empty()) open.timeNanos = cri.timeNanos;
    // Without memory the text is kept all the same: it was bounded by max_line when it was opened,
    // and start-up rebuilds one stream after another.
    (void)open.memory.grow(budget_, part.size());
    open.text.append(part);
  }
}

uint64_t RecordAssembler::abandon(event::Channel channel) {
  OpenRecord& open = open_[static_cast<size_t>(channel)];
  const uint64_t bytes = open.state.openBytes;
  clear(open);
  return bytes;
}

void RecordAssembler::clear(OpenRecord& open) {
  open.state = {};
  open.timeNanos = 0;
  std::string().swap(open.text);
  open.memory.release();
}

event::ChannelStates RecordAssembler::states() const {
  return {open_[0].state, open_[1].state};
}

bool RecordAssembler::anyOpen() const {
  return open_[0].state.kind == Kind::kOpen || open_[1].state.kind == Kind::kOpen;
}

}  // namespace logtail::agent
