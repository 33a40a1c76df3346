#pragma once
// A ledger with its queue and its snapshots on a disk that a test may crash or damage: frames are
// sent, snapshots taken, segments let go; what was promised is kept beside the disk.

#include <memory>
#include <string>
#include <vector>

#include "aggregator/ledger_replay.h"
#include "aggregator/ledger_snapshot.h"
#include "aggregator/ledger_store.h"
#include "common/wal/queue_reader.h"
#include "common/wal/queue_writer.h"
#include "tests/aggregator/frame_maker.h"
#include "tests/aggregator/ledger_fixture.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::aggregator {

using test::CrashFileSystem;
using test::Operation;
using test::OpKind;

struct Step {
  std::vector<event::BlockHeader> blocks;
  std::string unit;
};

class LedgerOnDisk : public testing::Test {
 protected:
  LedgerOnDisk() {
    FrameMaker maker;
    for (int i = 0; i < 24; ++i) {
      FrameMaker::Made made = maker.unit({keys_[i % 3], keys_[(i + 1) % 3]}, 40, i % 5 == 4);
      steps_.push_back({std::move(made.blocks), std::move(made.unit)});
    }
  }

  wal::QueueOptions options(CrashFileSystem& fs) const {
    wal::QueueOptions options;
    options.directory = "/data/queue";
    options.segmentBytes = 8 * 1024;
    options.capacityBytes = 1 << 20;
    if (const auto known = LedgerStore::list(fs, "/data/ledger"); known.ok() && !known->empty()) {
      options.knownDurable = known->back();
    }
    return options;
  }

  struct Life {
    LedgerStore::Loaded loaded;
    base::MemoryBudget budget{1 << 24};
    Ledger ledger{Ledger::Limits{}, budget};
    wal::SegmentList list;
    std::unique_ptr<wal::QueueWriter> queue;
    std::unique_ptr<LedgerStore> store;
  };

  // Start: queue, snapshot, replay.
  base::Status start(CrashFileSystem& fs, Life& life) {
    wal::RecoveryReport report;
    auto queue = wal::QueueWriter::open(
        fs, clock_, life.list, options(fs),
        [&life](const event::StreamKey& key) {
          const StreamState* stream = life.ledger.find(key);
          return stream == nullptr ? std::string() : stream->description;
        },
        report);
    if (!queue.ok()) return queue.error();
    life.queue = std::move(*queue);
    life.store = std::make_unique<LedgerStore>(fs, "/data/ledger", life.queue->queueId());
    loading_ = true;
    auto loaded = life.store->load(life.ledger, life.list.oldestSequence());
    loading_ = false;
    if (!loaded.ok()) return loaded.error();
    life.loaded = *loaded;
    wal::QueueReader reader(fs, life.list, loaded->sequence + 1);
    LedgerReplay replay(life.ledger);
    for (;;) {
      auto next = reader.next();
      if (!next.ok()) return next.error();
      if (*next == wal::QueueReader::Next::kWait) break;
      replay.apply(reader.entry());
    }
    if (replay.malformed() != 0) return {base::Errc::kBug, "a malformed entry"};
    if (report.lostAfterAck != 0) return {base::Errc::kBug, "lost after ack"};
    return {};
  }

  base::Status openStreams(Life& life) {
    for (int i = 0; i < 3; ++i) {
      const auto description = describe("n1", std::string(1, static_cast<char>('a' + i)));
      wal::Entry entry;
      entry.kind = wal::EntryKind::kStream;
      entry.head = wal::encodeStreamEntry({keys_[i], encoded(description), ""});
      const uint64_t sequence = life.queue->nextSequence();
      life.queue->append(sequence, std::move(entry));
      life.ledger.applyOpen(sequence, "n1", keys_[i], encoded(description), nullptr);
    }
    return life.queue->commit();
  }

  base::Status sendStep(Life& life, size_t n) {
    Admission answer;
    life.ledger.admit({"n1", 1, n + 1}, steps_[n].blocks, answer);
    if (answer.kind != Admission::Kind::kAdmit) return {base::Errc::kBug, "not admitted"};
    if (!answer.anyAccepted) return {};
    wal::Entry entry;
    wal::Envelope envelope{"n1", 1, n + 1, 0, 0, answer.verdicts};
    entry.head = wal::encodeFrameHead(envelope);
    entry.body = steps_[n].unit;
    for (const auto& b : steps_[n].blocks) entry.streams.push_back({b.stream, 0, -1});
    const uint64_t sequence = life.queue->nextSequence();
    life.queue->append(sequence, std::move(entry));
    life.ledger.apply(sequence, {"n1", 1, n + 1}, steps_[n].blocks, answer.verdicts);
    return life.queue->commit();
  }

  // Runs until something fails; returns how many frames were acknowledged.
  size_t work(CrashFileSystem& fs, Life& life) {
    if (!start(fs, life).ok() || !openStreams(life).ok()) return 0;
    for (size_t n = 0; n < steps_.size(); ++n) {
      if (!sendStep(life, n).ok()) return n;
      if (n % snapshotEvery_ != snapshotEvery_ - 1) continue;
      const std::string bytes = LedgerSnapshot::encode(life.ledger, life.queue->queueId());
      if (!life.store->save(life.ledger.sequence(), bytes).ok()) continue;
      (void)life.queue->removeThrough(life.store->covered());
    }
    return steps_.size();
  }

  // Empty, or what is wrong with a ledger in which exactly `frames` of the steps should be.
  std::string compare(const Ledger& ledger, size_t frames) {
    base::MemoryBudget budget(1 << 24);
    Ledger reference(Ledger::Limits{}, budget);
    uint64_t entry = 0;
    for (int i = 0; i < 3; ++i) {
      const auto description = describe("n1", std::string(1, static_cast<char>('a' + i)));
      reference.applyOpen(++entry, "n1", keys_[i], encoded(description), nullptr);
    }
    for (size_t n = 0; n < frames; ++n) {
      Admission answer;
      reference.admit({"n1", 1, n + 1}, steps_[n].blocks, answer);
      reference.apply(++entry, {"n1", 1, n + 1}, steps_[n].blocks, answer.verdicts);
    }
    for (const auto& key : keys_) {
      const StreamState* stream = ledger.find(key);
      if (stream == nullptr) return "a stream is gone";
      if (*stream != *reference.find(key))
        return "a stream is not as " + std::to_string(frames) + " frames left it";
    }
    return {};
  }

  // Empty, or what a start into `life` finds that it should not: everything acknowledged is in the
  // ledger, and the ledger is what the queue says.
  std::string look(CrashFileSystem& fs, Life& life, size_t acknowledged) {
    const base::Status started = start(fs, life);
    if (!started.ok()) return "does not start: " + started.message();
    const NodeState* node = life.ledger.findNode("n1");
    const size_t frames = node == nullptr ? 0 : node->lastFrame;
    if (frames < acknowledged) return "acknowledged frames are gone";
    return frames == 0 ? std::string() : compare(life.ledger, frames);
  }

  // The same on a disk, which then goes on: what follows is accepted, what was there is a repeat.
  void checkAfter(CrashFileSystem& fs, size_t acknowledged) {
    Life life;
    ASSERT_EQ(look(fs, life, acknowledged), "");
    if (life.ledger.findNode("n1") == nullptr || life.ledger.findNode("n1")->lastFrame == 0) return;
    for (size_t n = 0; n < steps_.size(); ++n) ASSERT_TRUE(sendStep(life, n).ok()) << n;
    ASSERT_EQ(compare(life.ledger, steps_.size()), "");
  }

  // Works until operation n, from which on all fail. Returns how many operations there were.
  uint64_t workUntilKilled(CrashFileSystem& fs, uint64_t n, size_t& acknowledged) {
    uint64_t operations = 0;
    fs.failWhen([&](const Operation& operation) -> std::optional<base::Errc> {
      if (operation.kind == OpKind::kRead || operations++ < n) return std::nullopt;
      return base::Errc::kStop;
    });
    Life life;
    acknowledged = work(fs, life);
    fs.failWhen(nullptr);
    return operations;
  }
  // Believes what it finds, and lets segments go on that word.
  void startAndRemove(CrashFileSystem& fs, Life& life) {
    const base::Status started = start(fs, life);
    ASSERT_TRUE(started.ok()) << started.message();
    ASSERT_TRUE(life.queue->removeThrough(life.store->covered()).ok());
  }

  test::FakeClock clock_;
  const std::vector<event::StreamKey> keys_{describe("n1", "a").key(), describe("n1", "b").key(),
                                            describe("n1", "c").key()};
  std::vector<Step> steps_;
  size_t snapshotEvery_ = 3;
  bool loading_ = false;
};

}  // namespace logtail::aggregator
