#include "aggregator/ledger_replay.h"

#include <optional>

#include "common/base/log.h"

namespace logtail::aggregator {

base::Status readBlocks(std::string_view units, std::vector<event::BlockHeader>& blocks) {
  blocks.clear();
  return wal::forEachUnit(units, [&](std::string_view unit) -> base::Status {
    base::Result<event::UnitView> view = event::UnitView::parse(unit);
    if (!view.ok()) return view.error();
    blocks.insert(blocks.end(), view->blocks().begin(), view->blocks().end());
    return {};
  });
}

void LedgerReplay::apply(const wal::EntryView& entry) {
  ++entries_;
  base::Status applied;
  switch (entry.header.kind) {
    case wal::EntryKind::kFrame:
      applied = applyFrame(entry.header.sequence, entry.payload);
      break;
    case wal::EntryKind::kStream:
      applied = applyStream(entry.header, entry.payload);
      break;
    default:
      applied = applyRest(entry);
      break;
  }
  if (applied.ok()) return;
  ++malformed_;
  base::logError("queue entry " + std::to_string(entry.header.sequence) + ": " + applied.message());
  if (!entry.header.isAuxiliary()) ledger_.applyOther(entry.header.sequence);
}

base::Status LedgerReplay::applyFrame(uint64_t sequence, std::string_view payload) {
  base::Result<wal::FrameView> frame = wal::decodeFrame(payload);
  if (!frame.ok()) return frame.error();
  LOGTAIL_TRY(readBlocks(frame->units, blocks_));
  const wal::Envelope& envelope = frame->envelope;
  if (envelope.verdicts.size() != blocks_.size()) {
    return {base::Errc::kQuarantine, "verdicts and blocks do not match"};
  }
  const bool unproven = (envelope.flags & wal::kEnvelopeUnproven) != 0;
  ledger_.apply(sequence, {envelope.node, envelope.life, envelope.frameSequence, unproven}, blocks_,
                envelope.verdicts);
  return {};
}

base::Status LedgerReplay::applyStream(const wal::EntryHeader& header, std::string_view payload) {
  base::Result<wal::StreamEntry> stream = wal::decodeStreamEntry(payload);
  if (!stream.ok()) return stream.error();
  base::Result<event::StreamDescription> description =
      event::decodeStreamDescription(stream->description);
  if (!description.ok()) return description.error();
  if (header.isAuxiliary()) {
    ledger_.learn(header.sequence, description->node, stream->key, stream->description);
    return {};
  }
  std::optional<event::Resume> declared;
  if (!stream->open.empty()) {
    base::Decoder in(stream->open);
    declared = event::decodeResume(in);
    if (!in.ok()) return {base::Errc::kQuarantine, "malformed declared resume point"};
  }
  ledger_.applyOpen(header.sequence, description->node, stream->key, stream->description,
                    declared.has_value() ? &*declared : nullptr);
  return {};
}

base::Status LedgerReplay::applyRest(const wal::EntryView& entry) {
  const uint64_t sequence = entry.header.sequence;
  switch (entry.header.kind) {
    case wal::EntryKind::kStreamEnd: {
      base::Result<wal::StreamEndEntry> end = wal::decodeStreamEnd(entry.payload);
      if (!end.ok()) return end.error();
      ledger_.applyStreamEnd(sequence, end->key, end->timeNanos);
      return {};
    }
    case wal::EntryKind::kStats: {
      base::Result<wal::StatsEntry> entryStats = wal::decodeStats(entry.payload);
      if (!entryStats.ok()) return entryStats.error();
      base::Result<wire::Stats> stats = wire::decodeStatsBody(entryStats->body);
      if (!stats.ok()) return stats.error();
      stats->final = entryStats->final;
      stats->timeNanos = entryStats->timeNanos;
      ledger_.applyStats(sequence, entryStats->node, entryStats->life, *stats);
      return {};
    }
    case wal::EntryKind::kForget: {
      base::Result<wal::ForgetEntry> forget = wal::decodeForget(entry.payload);
      if (!forget.ok()) return forget.error();
      ledger_.applyForget(sequence, *forget);
      return {};
    }
    default:
      if (!entry.header.isAuxiliary()) ledger_.applyOther(sequence);
      return {};
  }
}

}  // namespace logtail::aggregator
