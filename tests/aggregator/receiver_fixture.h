#pragma once
// A whole receiving side on an in-memory disk: queue, ledger, intake, sockets.

#include <gtest/gtest.h>

#include "aggregator/ledger_replay.h"
#include "aggregator/receiver.h"
#include "common/wal/queue_reader.h"
#include "tests/aggregator/frame_maker.h"
#include "tests/aggregator/ledger_fixture.h"
#include "tests/aggregator/scripted_agent.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::aggregator {

class ReceiverFixture : public testing::Test {
 protected:
  ~ReceiverFixture() override { stopAll(); }

  void SetUp() override { startAll(); }

  void startAll(uint64_t memory = 64 << 20) {
    ledger.reset();  // before the budget that it gives back to
    budget = std::make_unique<base::MemoryBudget>(memory);
    ledger = std::make_unique<Ledger>(limits, *budget);
    list = std::make_unique<wal::SegmentList>();
    wal::QueueOptions options;
    options.directory = "/data/queue";
    options.segmentBytes = segmentBytes;
    options.capacityBytes = capacity;
    wal::RecoveryReport report;
    auto writer = wal::QueueWriter::open(
        *fs, clock, *list, options,
        [this](const event::StreamKey& key) {
          std::string description;
          intake->withLedger([&](Ledger& l) {
            if (const StreamState* stream = l.find(key)) description = stream->description;
          });
          return description;
        },
        report);
    ASSERT_TRUE(writer.ok()) << writer.message();
    wal::QueueReader reader(*fs, *list, 1);
    LedgerReplay replay(*ledger);
    for (auto next = reader.next(); next.ok() && *next == wal::QueueReader::Next::kEntry;
         next = reader.next()) {
      replay.apply(reader.entry());
    }
    wal::CommitLog::Options logOptions;
    logOptions.retryInterval = std::chrono::milliseconds(5);
    log = std::make_unique<wal::CommitLog>(std::move(*writer), *list, logOptions);
    quarantine = std::make_unique<Quarantine>(*fs, "/data/quarantine", quarantineLimits);
    ASSERT_TRUE(quarantine->open().ok());
    intake = std::make_unique<Intake>(*ledger, *log, *quarantine, clock, metrics,
                                      list->durableSequence(), Intake::Options{}, faults);
    Receiver::Options receiverOptions;
    receiverOptions.host = "127.0.0.1";
    receiverOptions.port = 0;
    receiverOptions.connections = connections;
    receiverOptions.threads = threads;
    receiverOptions.tlsDirectory = tlsDirectory;
    receiverOptions.pendingHandshakes = pendingHandshakes;
    receiver = std::make_unique<Receiver>(receiverOptions, *intake, *budget, clock, metrics);
    ASSERT_TRUE(receiver->start().ok());
    port = receiver->port();
  }

  void stopAll(std::chrono::milliseconds bound = std::chrono::seconds(20)) {
    if (receiver != nullptr) receiver->stop(bound);
    if (log != nullptr) log->stop();
    receiver.reset();
    log.reset();
    intake.reset();
  }

  StreamState stateOf(const event::StreamKey& key) {
    StreamState state;
    intake->withLedger([&](Ledger& l) {
      if (const StreamState* stream = l.find(key)) state = *stream;
    });
    return state;
  }

  // All frames in the queue, as readers see them.
  std::vector<wal::FrameView> frames() {
    std::vector<wal::FrameView> found;
    wal::QueueReader reader(*fs, *list, 1);
    for (auto next = reader.next(); next.ok() && *next == wal::QueueReader::Next::kEntry;
         next = reader.next()) {
      if (reader.entry().header.kind != wal::EntryKind::kFrame) continue;
      stored.emplace_back(reader.entry().payload);
      auto frame = wal::decodeFrame(stored.back());
      EXPECT_TRUE(frame.ok());
      if (frame.ok()) found.push_back(*frame);
    }
    return found;
  }

  std::unique_ptr<test::CrashFileSystem> fs = std::make_unique<test::CrashFileSystem>();
  test::FakeClock clock;
  Ledger::Limits limits;
  Quarantine::Limits quarantineLimits;
  uint64_t segmentBytes = 4 << 20;
  uint64_t capacity = 1 << 30;
  size_t connections = 100;
  size_t threads = 1;
  std::string tlsDirectory;
  size_t pendingHandshakes = 8;
  IntakeFaults* faults = nullptr;
  metrics::Registry registry;
  IntakeMetrics metrics{registry};
  std::unique_ptr<base::MemoryBudget> budget;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<wal::SegmentList> list;
  std::unique_ptr<Quarantine> quarantine;
  std::unique_ptr<Intake> intake;
  std::unique_ptr<wal::CommitLog> log;
  std::unique_ptr<Receiver> receiver;
  uint16_t port = 0;
  FrameMaker maker;
  std::deque<std::string> stored;
  const event::StreamDescription a = describe("n1", "a");
  const event::StreamDescription b = describe("n1", "b");
};

}  // namespace logtail::aggregator
