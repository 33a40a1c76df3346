#include "agent/stream_plan.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace logtail::agent {
namespace {

using event::LossReason;

// Files by name, so that a test reads as a directory listing: a file is (fingerprint, bytes it
// still shares with what was read, time of its first line).
class StreamPlan : public testing::Test {
 protected:
  void file(uint64_t fingerprint, uint64_t intactBytes, int64_t firstTime = 0) {
    FoundFile found;
    if (fingerprint != 0) found.fingerprint = fingerprint;
    found.firstTimeNanos = firstTime;
    found.holds = [intactBytes](uint64_t to, uint64_t) { return to <= intactBytes; };
    files_.push_back(std::move(found));
  }
  void known(uint64_t fingerprint, uint64_t to, bool end = false, uint32_t epoch = 0) {
    const auto ordinal = static_cast<uint32_t>(resume_.generations.size()) + 1;
    resume_.generations.push_back({{fingerprint, epoch}, ordinal, end, to, to});
  }
  // "file:fingerprint.epoch@to" of each planned generation, with what is special about it.
  std::string plan(StartAt start = StartAt::kHead) {
    std::string text;
    for (const PlannedGeneration& p : planStream(resume_, files_, start)) {
      if (!text.empty()) text += ' ';
      text += p.file ? std::to_string(*p.file) : "-";
      text += ':';
      text += p.id ? std::to_string(p.id->fingerprint) + "." + std::to_string(p.id->epoch) : "?";
      text += "@" + std::to_string(p.to) + "#" + std::to_string(p.ordinal);
      if (p.atEnd) text += " at-end";
      if (p.late) text += " late";
      if (p.finished) text += " finished";
      if (p.tailLost != LossReason::kNone) text += std::string(" ") + name(p.tailLost);
    }
    return text;
  }

  event::Resume resume_;
  std::vector<FoundFile> files_;
};

TEST_F(StreamPlan, ReadsAllFilesFromTheHeadAtTheFirstStart) {
  file(10, 100);
  file(20, 50);
  file(0, 0);
  EXPECT_EQ(plan(), "0:10.0@0#0 1:20.0@0#1 2:?@0#2");
}

TEST_F(StreamPlan, StartsBehindTheNewestFilesEndWhenToldToTail) {
  file(10, 100);
  file(20, 50);
  EXPECT_EQ(plan(StartAt::kTail), "1:20.0@0#0 at-end");
}

TEST_F(StreamPlan, GoesOnWhereTheLedgerStands) {
  known(10, 100, true);
  known(20, 30);
  file(10, 100);
  file(20, 50);
  file(30, 10);
  EXPECT_EQ(plan(), "0:10.0@100#1 finished 1:20.0@30#2 2:30.0@0#3");
}

TEST_F(StreamPlan, CountsTheTailOfAFileThatWentUnread) {
  known(10, 60);
  file(20, 50);
  EXPECT_EQ(plan(), "-:10.0@60#1 rotated_away 0:20.0@0#2");
}

TEST_F(StreamPlan, AFinishedFileMayGo) {
  known(10, 60, true);
  file(20, 50);
  EXPECT_EQ(plan(), "-:10.0@60#1 finished 0:20.0@0#2");
}

TEST_F(StreamPlan, ARewrittenFileIsTheNextEpochFromZero) {
  known(10, 60);
  file(10, 40);
  EXPECT_EQ(plan(), "-:10.0@60#1 truncated 0:10.1@0#2");
}

TEST_F(StreamPlan, OnlyTheNewestEpochOfAFingerprintIsLookedFor) {
  known(10, 60, true, 0);
  known(10, 20, false, 1);
  file(10, 25);
  EXPECT_EQ(plan(), "-:10.0@60#1 finished 0:10.1@20#2");
}

TEST_F(StreamPlan, AnUnknownFileBeforeAKnownOneIsLate) {
  known(20, 30);
  file(10, 100, 500);
  file(20, 50, 600);
  EXPECT_EQ(plan(), "0:10.0@0#2 late 1:20.0@30#1");
}

TEST_F(StreamPlan, WhatIsOlderThanTheStartIsNotRead) {
  resume_.startTimeNanos = 550;
  known(20, 30);
  file(5, 100, 400);
  file(20, 50, 600);
  file(30, 50, 700);
  EXPECT_EQ(plan(), "1:20.0@30#1 2:30.0@0#2");
}

TEST_F(StreamPlan, WithAllKnownFilesGoneTheRestIsNew) {
  known(10, 30);
  known(20, 30);
  file(30, 1);
  file(40, 1);
  EXPECT_EQ(plan(), "-:10.0@30#1 rotated_away -:20.0@30#2 rotated_away 0:30.0@0#3 1:40.0@0#4");
}

TEST_F(StreamPlan, TwoCopiesOfOneGenerationAreReadOnce) {
  known(10, 30);
  file(10, 60);
  file(20, 60);
  EXPECT_EQ(plan(), "0:10.0@30#1 1:20.0@0#2");
}

}  // namespace
}  // namespace logtail::agent
