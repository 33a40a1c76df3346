#include "aggregator/output_beginning.h"

#include "common/event/unit.h"
#include "common/wal/queue_reader.h"

namespace logtail::aggregator {
namespace {

constexpr base::Nanos kDurableWait = std::chrono::seconds(5);

// The accepted blocks of a frame from unit `firstUnit` on.
void countFrame(std::string_view payload, uint32_t firstUnit, ContentMap& into) {
  const auto frame = wal::decodeFrame(payload);
  if (!frame.ok()) return;
  size_t verdict = 0;
  uint32_t unitIndex = 0;
  const base::Status walked =
      wal::forEachUnit(frame->units, [&](std::string_view unit) -> base::Status {
        const auto view = event::UnitView::parse(unit);
        if (!view.ok()) return view.error();
        for (const event::BlockHeader& block : view->blocks()) {
          const size_t index = verdict++;
          if (unitIndex < firstUnit || index >= frame->envelope.verdicts.size()) continue;
          if (!wal::isAccepted(frame->envelope.verdicts[index])) continue;
          into[block.stream].add({block.records, block.recordBytes, block.digest});
        }
        ++unitIndex;
        return {};
      });
  (void)walked.ok();  // a unit that does not parse is one its output cannot deliver: it is missed
}

void subtract(Content& from, const Content& what) {
  from.records -= what.records;
  from.recordBytes -= what.recordBytes;
  from.digest -= what.digest;
}

}  // namespace

base::Result<ContentMap> countFrames(const std::optional<wal::Position>& from, uint64_t through,
                                     base::FileSystem& fs, const wal::SegmentList& queue) {
  ContentMap counted;
  wal::QueueReader reader(fs, queue, from ? from->sequence : 1);
  while (reader.nextSequence() <= through) {
    const auto next = reader.next();
    if (!next.ok()) return next.error();
    if (*next == wal::QueueReader::Next::kWait) break;
    const wal::EntryView& entry = reader.entry();
    if (entry.header.kind != wal::EntryKind::kFrame || entry.header.sequence > through) continue;
    const bool first = from && entry.header.sequence == from->sequence;
    countFrame(entry.payload, first ? from->unit : 0, counted);
  }
  return counted;
}

base::Result<outputs::Beginning> OutputBeginning::find(outputs::FirstStart from,
                                                       const outputs::CountsMap& have) const {
  ContentMap before;
  uint64_t sequence = 0;
  withLedger_([&](Ledger& ledger) {
    sequence = ledger.sequence();
    ledger.forEach([&](const StreamState& s) { before[s.key] = s.totals.content; });
    // Of the streams it let go only the sum is known.
    before[event::StreamKey{}] = ledger.retired().content;
  });
  // A place behind what is not durable yet might be given to something else after a crash.
  if (sequence > 0) queue_.waitAbove(sequence - 1, kDurableWait);
  if (queue_.durableSequence() < sequence) {
    return base::Error{base::Errc::kRetry, "waits until what came in is durable"};
  }
  outputs::Beginning beginning;
  const uint64_t oldest = std::max<uint64_t>(queue_.oldestSequence(), 1);
  const bool newest = from == outputs::FirstStart::kNewest;
  beginning.position = {queueId_, epoch_, newest ? sequence + 1 : oldest, 0, 0};
  // From the queue's very first entry on an output sees all there ever was: nothing is taken on
  // trust. Else what is gone is what the ledger has beyond what the queue and the output have.
  if (!newest && oldest == 1 && have.empty()) return beginning;
  const auto known = [&](const event::StreamKey& key) -> Content& {
    const auto at = before.find(key);
    return at == before.end() ? before[event::StreamKey{}] : at->second;
  };
  const auto queued = countFrames(beginning.position, sequence, fs_, queue_);
  if (!queued.ok()) return queued.error();
  for (const auto& [key, content] : *queued) subtract(known(key), content);
  for (const auto& [key, counts] : have) {
    for (const outputs::Tally& tally : counts.tallies) {
      subtract(known(key), {tally.records, tally.bytes, tally.digest});
    }
  }
  for (const auto& [key, content] : before) {
    if (content == Content{}) continue;
    beginning.before.emplace_back(
        key, outputs::Tally{content.records, content.recordBytes, content.digest});
  }
  return beginning;
}

}  // namespace logtail::aggregator
