#pragma once
// A queue on a file system of the test's, and what its reader gives back, for all tests of wal.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/wal/queue_reader.h"
#include "common/wal/queue_writer.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::wal {

inline constexpr uint64_t kTestSegment = 16 * 1024;

inline QueueOptions testOptions() {
  QueueOptions options;
  options.directory = "data/queue";
  options.segmentBytes = kTestSegment;
  return options;
}

inline event::StreamKey keyOf(uint64_t n) {
  return {{n, ~n}};
}

// The queue looks into no payload but those of frames and streams.
inline Entry opaque(std::string payload) {
  Entry entry;
  entry.kind = EntryKind::kStats;
  entry.head = std::move(payload);
  return entry;
}

// Refers to the streams, so that its segment describes them.
inline Entry opaqueOf(std::string payload, const std::vector<uint64_t>& streams) {
  Entry entry = opaque(std::move(payload));
  for (const uint64_t n : streams) entry.streams.push_back({keyOf(n), 100, 200});
  return entry;
}

struct Got {
  EntryHeader header;
  std::string payload;
};

// All that a reader finds, as far as the file system lets it.
inline base::Status readInto(std::vector<Got>& all, QueueReader& reader) {
  for (;;) {
    const auto next = reader.next();
    if (!next.ok()) return next.error();
    if (*next == QueueReader::Next::kWait) return {};
    all.push_back({reader.entry().header, std::string(reader.entry().payload)});
  }
}

// All that a reader finds from `sequence` on; its counts in `counts`.
inline std::vector<Got> readAll(base::FileSystem& fs, const SegmentList& list,
                                uint64_t sequence = 1, ReaderCounts* counts = nullptr) {
  QueueReader reader(fs, list, sequence);
  std::vector<Got> all;
  const base::Status read = readInto(all, reader);
  EXPECT_TRUE(read.ok()) << read.message();
  if (counts != nullptr) *counts = reader.counts();
  return all;
}

// Payloads by sequence, descriptions left out.
inline std::map<uint64_t, std::string> payloads(const std::vector<Got>& all) {
  std::map<uint64_t, std::string> found;
  for (const Got& got : all) {
    if (got.header.isAuxiliary()) continue;
    EXPECT_TRUE(found.emplace(got.header.sequence, got.payload).second)
        << "sequence " << got.header.sequence << " twice";
  }
  return found;
}

// One life of the queue: everything between an open and a stop.
struct QueueLife {
  SegmentList list;
  RecoveryReport report;
  std::unique_ptr<QueueWriter> writer;

  base::Status open(base::FileSystem& fs, base::Clock& clock, const QueueOptions& options) {
    auto opened = QueueWriter::open(
        fs, clock, list, options,
        [](const event::StreamKey& key) { return "stream " + std::to_string(key.hash.low); },
        report);
    if (!opened.ok()) return opened.error();
    writer = std::move(*opened);
    return {};
  }
  uint64_t append(Entry entry) {
    const uint64_t sequence = writer->nextSequence();
    writer->append(sequence, std::move(entry));
    return sequence;
  }
};

class QueueTest : public ::testing::Test {
 protected:
  void open() {
    life_ = std::make_unique<QueueLife>();
    const base::Status opened = life_->open(*fs_, clock_, options_);
    ASSERT_TRUE(opened.ok()) << opened.message();
  }
  void reopen() {
    life_.reset();
    open();
  }
  void crash(uint64_t seed) {
    life_.reset();
    fs_ = fs_->crash(seed);
    open();
  }
  uint64_t put(Entry entry) {
    const uint64_t sequence = life_->append(std::move(entry));
    const base::Status committed = life_->writer->commit();
    EXPECT_TRUE(committed.ok()) << committed.message();
    return sequence;
  }
  // Entries of 1000 bytes: 11 of them in a segment.
  void put(unsigned entries) {
    for (unsigned i = 0; i < entries; ++i)
      put(opaque(std::string(1000, static_cast<char>('a' + i % 26))));
  }
  std::map<uint64_t, std::string> stored(uint64_t from = 1, ReaderCounts* counts = nullptr) {
    return payloads(readAll(*fs_, life_->list, from, counts));
  }
  QueueWriter& writer() { return *life_->writer; }
  std::vector<std::string> files() { return *fs_->list(options_.directory); }
  std::string path(const std::string& name) { return options_.directory + "/" + name; }

  test::FakeClock clock_;
  std::unique_ptr<test::CrashFileSystem> fs_ = std::make_unique<test::CrashFileSystem>(&clock_);
  QueueOptions options_ = testOptions();
  std::unique_ptr<QueueLife> life_;
};

}  // namespace logtail::wal
