#include "tests/wal/queue_model.h"

#include <set>
#include <sstream>

namespace logtail::wal {
namespace {

// "<text>|<stream>|<stream>|": the streams an entry refers to can be read from its payload.
std::vector<uint64_t> streamsIn(const std::string& payload) {
  std::vector<uint64_t> streams;
  for (size_t at = payload.find('|'); at + 1 < payload.size(); at = payload.find('|', at + 1)) {
    streams.push_back(std::stoull(payload.substr(at + 1)));
  }
  return streams;
}

std::string checkReport(const RecoveryReport& report, const QueueModel& model) {
  std::ostringstream out;
  if (report.lostAfterAck != 0) out << "reports " << report.lostAfterAck << " lost after ack; ";
  if (report.damagedRegions != 0) out << "reports damage; ";
  if (report.segmentsSetAside != 0) out << "sets a segment aside; ";
  if (model.queueId != 0 && report.queueId != model.queueId) out << "has another queue id; ";
  return out.str();
}

std::string checkEntry(const Got& got, const QueueModel& model, std::set<uint64_t>& described) {
  if (got.header.kind == EntryKind::kStream) {
    const auto stream = decodeStreamEntry(got.payload);
    if (!stream.ok()) return "a malformed description; ";
    described.insert(stream->key.hash.low);
    return {};
  }
  const std::string where = "entry " + std::to_string(got.header.sequence);
  const auto written = model.written.find({got.header.epoch, got.header.sequence});
  if (written == model.written.end()) return where + " was never written; ";
  if (written->second != got.payload) return where + " is not what was written; ";
  for (const uint64_t stream : streamsIn(got.payload)) {
    if (!described.contains(stream)) return where + " refers to a stream not described; ";
  }
  return {};
}

std::string checkRead(const std::vector<Got>& all, const ReaderCounts& counts,
                      const QueueLife& life, QueueModel& model) {
  std::set<uint64_t> described;
  std::map<uint64_t, std::string> found;
  for (const Got& got : all) {
    if (std::string broken = checkEntry(got, model, described); !broken.empty()) return broken;
    if (got.header.epoch >= life.writer->epoch()) return "an epoch is used twice; ";
    if (!got.header.isAuxiliary()) found[got.header.sequence] = got.payload;
  }
  if (counts.lostEntries + counts.damagedBytes != 0) return "the reader meets damage; ";
  for (const auto& [sequence, payload] : model.acknowledged) {
    if (sequence <= model.removedThrough) continue;
    const auto at = found.find(sequence);
    if (at == found.end()) return "acknowledged entry " + std::to_string(sequence) + " is gone; ";
    if (at->second != payload) return "an acknowledged entry became another; ";
  }
  const uint64_t last = model.acknowledged.empty() ? 0 : model.acknowledged.rbegin()->first;
  if (life.writer->nextSequence() <= last) return "a sequence is used twice; ";
  if (!found.empty() && life.writer->nextSequence() != found.rbegin()->first + 1) {
    return "the next sequence does not follow; ";
  }
  // What a reader has seen, an output may have delivered.
  for (auto& [sequence, payload] : found) model.acknowledged[sequence] = payload;
  return {};
}

}  // namespace

Finding look(base::FileSystem& fs, base::Clock& clock, QueueModel& model, QueueLife& life,
             const QueueOptions& options) {
  ++model.starts;
  const base::Status opened = life.open(fs, clock, options);
  if (!opened.ok()) return {"does not open: " + opened.message(), true};
  QueueReader reader(fs, life.list, 1);
  std::vector<Got> all;
  const base::Status read = readInto(all, reader);
  if (!read.ok()) return {"cannot be read: " + read.message(), true};
  Finding finding;
  finding.broken = checkReport(life.report, model) + checkRead(all, reader.counts(), life, model);
  model.queueId = life.report.queueId;
  return finding;
}

std::string check(base::FileSystem& fs, base::Clock& clock, QueueModel& model, QueueLife& life,
                  const QueueOptions& options) {
  return look(fs, clock, model, life, options).broken;
}

std::string QueueWorkload::open() {
  life_ = std::make_unique<QueueLife>();
  // A refusal on the way ends the workload; the test looks at what it left behind.
  const Finding found = look(fs_, clock_, model_, *life_, options);
  stopped_ = found.refused;
  return found.refused ? std::string() : found.broken;
}

std::string QueueWorkload::payload(uint64_t sequence, std::vector<uint64_t>& streams) {
  static constexpr uint64_t kSizes[] = {0, 30, 500, 1100, 2500, 6000};
  std::string text = std::to_string(sequence) + ":" + std::to_string(random_()) + ":";
  text.append(below(kSizes[below(6)] + 1), static_cast<char>('a' + below(26)));
  text += '|';
  for (uint64_t n = below(3); n > 0; --n) {
    streams.push_back(below(5));
    text += std::to_string(streams.back()) + "|";
  }
  return text;
}

void QueueWorkload::appendAndCommit() {
  QueueWriter& writer = *life_->writer;
  std::map<uint64_t, std::string> batch;
  for (uint64_t n = below(5) == 0 ? 12 : 1 + below(4); n > 0; --n) {
    std::vector<uint64_t> streams;
    const uint64_t sequence = writer.nextSequence();
    std::string text = payload(sequence, streams);
    model_.written[{writer.epoch(), sequence}] = text;
    batch[sequence] = text;
    life_->append(opaqueOf(std::move(text), streams));
  }
  if (writer.commit().ok()) {
    model_.acknowledged.merge(batch);
  } else {
    stopped_ = true;
  }
}

std::string QueueWorkload::run() {
  std::string broken = open();
  for (unsigned i = 0; i < actions && broken.empty() && !stopped_; ++i) {
    clock_.advance(std::chrono::seconds(1));
    const uint64_t dice = below(10);
    if (dice == 0) {
      life_.reset();
      broken = open();
    } else if (dice < 3 && !model_.acknowledged.empty()) {
      const uint64_t through = below(model_.acknowledged.rbegin()->first + 1);
      model_.removedThrough = std::max(model_.removedThrough, through);
      (void)life_->writer->removeThrough(through);  // one that fails is done again later
    } else {
      appendAndCommit();
    }
  }
  life_.reset();
  return broken;
}

}  // namespace logtail::wal
