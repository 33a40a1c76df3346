// What rotation, a removed pod and a restart must not cost: the spool and the disk's budget, on
// real files.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/agent/core/node_fixture.h"

namespace logtail::agent {
namespace {

namespace fs = std::filesystem;
using test::cri;
using test::Messages;

class Spooling : public test::NodeFixture {
 protected:
  Spooling() { options_.disk.spoolDirectory = spoolDir(); }

  // A pod that has shipped "one"; then the way is blocked.
  void shipOneThenBlock(const std::string& pod) {
    createPod(pod);
    append(log(pod), cri("one"));
    start();
    ASSERT_TRUE(sink_.waitForCount(pod, 1));
    sink_.block(true);
  }
  void unblock() {
    sink_.block(false);
    worker_->room();
  }
  // Rotates until the first of the files is one of the two oldest of four.
  std::string rotateIntoDanger(const std::string& pod) {
    const std::string first = rotate(pod);
    for (const char* message : {"three", "four"}) {
      append(log(pod), cri(message));
      rotate(pod);
    }
    append(log(pod), cri("five"));
    return first;
  }
  // What is there now was seen: a pod that comes later was.
  void awaitALook(const std::string& pod) {
    const uint64_t before = worker_->counts().streams.load();
    createPod(pod);
    ASSERT_TRUE(eventually([&] { return worker_->counts().streams.load() > before; }));
  }
  bool keepRest() {
    std::atomic<bool> done{false};
    worker_->keepRest([&] { done = true; });
    return eventually([&] { return done.load(); });
  }
};

TEST_F(Spooling, AFileThatRotationDeletesIsReadFromItsCopyAfterARestart) {
  shipOneThenBlock("a");
  append(log("a"), cri("two"));
  const std::string first = rotateIntoDanger("a");
  ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
  stop();
  fs::remove(first);
  sink_.block(false);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three", "four", "five"}));
  EXPECT_EQ(sink_.book("a").lostBytes, 0u);
  EXPECT_TRUE(sink_.book("a").lossBlocks.empty());
  EXPECT_TRUE(eventually([&] { return copies() == 0; }));
}

TEST_F(Spooling, TellsHowLongUntilRotationDeletesWhatIsNotAcknowledged) {
  const auto until = [this] { return worker_->counts().untilRotationLoss.load(); };
  shipOneThenBlock("a");
  EXPECT_EQ(until(), base::Nanos::max());
  append(log("a"), cri("two"));
  const std::string first = rotate("a");
  append(log("a"), cri("three"));
  rotate("a");
  ASSERT_TRUE(eventually([&] { return until() != base::Nanos::max(); }));
  EXPECT_GT(until(), base::Nanos::zero());
  fs::remove(first);
  EXPECT_TRUE(eventually([&] { return until() == base::Nanos::zero(); }));
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_TRUE(eventually([&] { return until() == base::Nanos::max(); }));
}

TEST_F(Spooling, ACopyBesideItsFileIsNotReadTwice) {
  shipOneThenBlock("a");
  append(log("a"), cri("two"));
  const std::string first = rotateIntoDanger("a");
  ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
  stop();
  compress(first);
  sink_.block(false);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three", "four", "five"}));
  EXPECT_TRUE(eventually([&] { return copies() == 0; }));
}

TEST_F(Spooling, ADeletedFileIsClosedOnceItsCopyIsThere) {
  shipOneThenBlock("a");
  append(log("a"), cri(std::string(20'000, 'x')));
  const std::string first = rotate("a");
  append(log("a"), cri("three"));
  fs::remove(first);
  ASSERT_TRUE(eventually([&] { return worker_->counts().spoolBytes.load() > 20'000; }));
  ASSERT_TRUE(eventually([&] { return worker_->counts().heldDeletedBytes.load() == 0; }));
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", std::string(20'000, 'x'), "three"}));
  EXPECT_TRUE(eventually([&] { return copies() == 0; }));
}

// The kubelet compresses under a temporary name and removes the plain file first.
TEST_F(Spooling, AFileReadFromItsCopyIsNotReadAgainOnceItsCompressedFormIsThere) {
  for (const bool whileBlocked : {true, false}) {
    const std::string pod = whileBlocked ? "a" : "b";
    shipOneThenBlock(pod);
    append(log(pod), cri("two"));
    const std::string first = rotateIntoDanger(pod);
    fs::copy_file(first, dir_.path() + "/saved");
    ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
    fs::remove(first);
    ASSERT_TRUE(eventually([&] { return worker_->counts().heldDeletedBytes.load() == 0; }));
    if (!whileBlocked) {
      unblock();
      ASSERT_TRUE(sink_.waitForCount(pod, 5));
      ASSERT_TRUE(eventually([&] { return copies() == 0; }));
    }
    fs::rename(dir_.path() + "/saved", first);
    compress(first);
    if (whileBlocked) unblock();
    append(log(pod), cri("six"));
    ASSERT_TRUE(sink_.waitForCount(pod, 6));
    append(log(pod), cri("seven"));
    ASSERT_TRUE(sink_.waitForCount(pod, 7));
    EXPECT_EQ(sink_.messages(pod),
              (Messages{"one", "two", "three", "four", "five", "six", "seven"}));
    stop();
  }
}

TEST_F(Spooling, AFileReadFromItsCopyIsNotReadInTheCompressedFormItHadBefore) {
  shipOneThenBlock("a");
  append(log("a"), cri("two"));
  const std::string first = rotate("a");
  awaitALook("b");
  compress(first);
  for (const char* message : {"three", "four"}) {
    append(log("a"), cri(message));
    rotate("a");
  }
  append(log("a"), cri("five"));
  ASSERT_TRUE(eventually([&] { return worker_->counts().spoolBytes.load() > 0; }));
  append(log("a"), cri("six"));
  rotate("a");
  append(log("a"), cri("seven"));
  awaitALook("c");
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 7));
  append(log("a"), cri("eight"));
  ASSERT_TRUE(sink_.waitForCount("a", 8));
  EXPECT_EQ(sink_.messages("a"),
            (Messages{"one", "two", "three", "four", "five", "six", "seven", "eight"}));
}

TEST_F(Spooling, APodThatIsGoneIsShippedFromTheSpoolAfterARestart) {
  shipOneThenBlock("a");
  append(log("a"), cri("two") + cri("three") + "no newline");
  removePod("a");
  ASSERT_TRUE(eventually([&] { return copies() == 1; }));
  stop();
  sink_.block(false);
  start();
  ASSERT_TRUE(waitForEnd("a"));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three", "no newline"}));
  EXPECT_EQ(sink_.book("a").records.back().flags,
            event::kRecordIncomplete | event::kRecordMalformed);
  EXPECT_TRUE(eventually([&] { return copies() == 0; }));
}

TEST_F(Spooling, ACopyKeepsTheFirstPartsOfAnOpenRecord) {
  createPod("a");
  append(log("a"), cri("one") + cri("head-", 'P'));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  sink_.block(true);
  append(log("a"), cri("middle-", 'P'));
  const std::string first = rotateIntoDanger("a");
  ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
  stop();
  fs::remove(first);
  sink_.block(false);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "head-middle-three", "four", "five"}));
}

TEST_F(Spooling, BeforeTheFirstAnswerACopyIsMadeAndUsed) {
  createPod("a");
  append(log("a"), cri("one") + cri("two"));
  sink_.silent(true);
  start();
  ASSERT_TRUE(sink_.waitFor([](const auto& books) { return books.size() == 1; }));
  const std::string first = rotateIntoDanger("a");
  ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
  stop();
  fs::remove(first);
  sink_.silent(false);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three", "four", "five"}));
}

TEST_F(Spooling, AStopKeepsWhatIsDeletedAndNotAcknowledged) {
  options_.disk.interval = std::chrono::hours(1);
  options_.grace = std::chrono::hours(1);
  shipOneThenBlock("a");
  append(log("a"), cri("two"));
  removePod("a");
  ASSERT_TRUE(keepRest());
  EXPECT_EQ(copies(), 1u);
  stop();
  sink_.block(false);
  options_.grace = std::chrono::milliseconds(50);
  options_.disk.interval = std::chrono::milliseconds(10);
  start();
  ASSERT_TRUE(waitForEnd("a"));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two"}));
}

TEST_F(Spooling, AFileThatIsDeletedIsCopiedWithoutPatience) {
  options_.disk.patience = std::chrono::hours(1);
  shipOneThenBlock("a");
  append(log("a"), cri("two"));
  const std::string first = rotate("a");
  append(log("a"), cri("three"));
  awaitALook("b");
  EXPECT_EQ(copies(), 0u);
  fs::remove(first);
  EXPECT_TRUE(eventually([&] { return copies() == 1; }));
}

// A start finds it among the oldest, with others that were rotated after it: its end is final.
TEST_F(Spooling, AfterARestartWhatRotationDeletesNextIsCopiedWithoutAGrace) {
  options_.grace = std::chrono::hours(1);
  sink_.silent(true);
  createPod("a");
  append(log("a"), cri("one"));
  const std::string first = rotateIntoDanger("a");
  start();
  ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
  stop();
  fs::remove(first);
  sink_.silent(false);
  options_.grace = std::chrono::milliseconds(50);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "three", "four", "five"}));
}

// Files whose bytes are all acknowledged, but not their end, have nothing to copy and delay nobody.
// The second start gets no answer, and so does not know how the first one numbered its copies.
TEST_F(Spooling, CopiesOfSeveralStartsAreReadInTheOrderOfTheirFiles) {
  createPod("a");
  start();
  Messages want;
  const auto write = [&](const std::string& message) {
    want.push_back(message);
    append(log("a"), cri(message));
  };
  for (const char* message : {"a", "b", "c"}) {
    write(message);
    ASSERT_TRUE(sink_.waitForCount("a", want.size()));
    fs::remove(rotate("a"));
  }
  sink_.block(true);
  std::vector<std::string> files;
  for (const char* message : {"d", "e", "f", "g"}) {
    write(message);
    files.push_back(rotate("a"));
  }
  write("h");
  ASSERT_TRUE(eventually([&] { return copies() >= 1; }));
  const size_t before = copies();
  stop();
  for (size_t i = 0; i < before; ++i) fs::remove(files[i]);
  sink_.block(false);
  sink_.silent(true);
  start();
  for (const char* message : {"i", "j"}) {
    files.push_back(rotate("a"));
    write(message);
  }
  ASSERT_TRUE(eventually([&] { return copies() > before; }));
  const size_t all = copies();
  stop();
  for (size_t i = before; i < all; ++i) fs::remove(files[i]);
  sink_.silent(false);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", want.size()));
  EXPECT_EQ(sink_.messages("a"), want);
}

TEST_F(Spooling, AHealthyWayMakesNoCopy) {
  options_.disk.patience = std::chrono::hours(1);
  createPod("a");
  start();
  for (int i = 0; i < 6; ++i) {
    append(log("a"), cri("line " + std::to_string(i)));
    ASSERT_TRUE(sink_.waitForCount("a", static_cast<size_t>(i) + 1));
    rotate("a");
  }
  removePod("a");
  ASSERT_TRUE(waitForEnd("a"));
  EXPECT_EQ(copies(), 0u);
}

TEST_F(Spooling, WhatTheDiskHasNoRoomForIsGivenUpAndCountedToTheByte) {
  options_.disk.spoolDirectory.clear();
  options_.disk.limits = {100'000, 0};
  shipOneThenBlock("a");
  const std::string big = cri(std::string(60'000, 'b'));
  for (int i = 0; i < 20; ++i) append(log("a"), big);
  const std::string first = rotate("a");
  append(log("a"), cri("three"));
  fs::remove(first);
  ASSERT_TRUE(eventually([&] { return worker_->counts().diskLow.load(); }));
  unblock();
  ASSERT_TRUE(sink_.waitFor([&](const auto& books) {
    return !books.begin()->second.records.empty() &&
           books.begin()->second.records.back().message == "three";
  }));
  const auto book = sink_.book("a");
  ASSERT_EQ(book.lossBlocks.size(), 1u);
  EXPECT_EQ(book.lossBlocks[0].lossReason, event::LossReason::kGivenUp);
  EXPECT_EQ(book.lossBlocks[0].flags & event::kBlockTailLost, 0u);
  // What was read before the way was blocked is not lost: the rest is, to the byte.
  EXPECT_EQ(book.recordBytes + book.lostBytes,
            cri("one").size() + 20 * big.size() + cri("three").size());
  EXPECT_GT(book.lostBytes, 10 * big.size());
  EXPECT_EQ(worker_->counts().givenUpBytes.load(), book.lostBytes);
}

TEST_F(Spooling, ACopyThatIsGivenUpBeforeTheFirstAnswerIsCountedToTheByte) {
  shipOneThenBlock("a");
  const std::string big = cri(std::string(20'000, 'b'));
  append(log("a"), big);
  removePod("a");
  ASSERT_TRUE(eventually([&] { return copies() == 1; }));
  stop();
  sink_.block(false);
  sink_.silent(true);
  options_.disk.limits = {10'000, 0};
  start();
  ASSERT_TRUE(eventually([&] { return copies() == 0; }));
  sink_.answerAll();
  ASSERT_TRUE(waitForEnd("a"));
  EXPECT_EQ(sink_.book("a").lostBytes, big.size());
  EXPECT_EQ(sink_.messages("a"), (Messages{"one"}));
}

TEST_F(Spooling, AHeldFileWithACompressedCopyIsClosedWithoutALoss) {
  options_.disk.spoolDirectory.clear();
  options_.disk.limits = {10'000, 0};
  shipOneThenBlock("a");
  append(log("a"), cri(std::string(40'000, 'x')) + cri("two"));
  const std::string first = rotate("a");
  append(log("a"), cri("three"));
  ASSERT_TRUE(eventually([&] { return worker_->counts().readBytes.load() > 40'000; }));
  compress(first);
  ASSERT_TRUE(eventually([&] { return worker_->counts().diskLow.load(); }));
  ASSERT_TRUE(eventually([&] { return worker_->counts().heldDeletedBytes.load() == 0; }));
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", std::string(40'000, 'x'), "two", "three"}));
  EXPECT_EQ(sink_.book("a").lostBytes, 0u);
}

TEST_F(Spooling, ASpoolThatCannotBeWrittenIsToldAndCostsNothing) {
  std::ofstream(spoolDir()) << "a file in its place";
  shipOneThenBlock("a");
  append(log("a"), cri("two"));
  const std::string first = rotate("a");
  fs::remove(first);
  append(log("a"), cri("three"));
  ASSERT_TRUE(eventually([&] { return worker_->counts().spoolFailing.load(); }));
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
}

TEST_F(Spooling, ACopyThatThereIsNoRoomForIsToldAndCostsNothing) {
  options_.disk.limits = {10'000, 0};
  shipOneThenBlock("a");
  const std::string large(40'000, 'x');
  append(log("a"), cri(large));
  rotateIntoDanger("a");
  ASSERT_TRUE(eventually([&] { return worker_->counts().spoolFailing.load(); }));
  EXPECT_EQ(copies(), 0u);
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", large, "three", "four", "five"}));
}

TEST_F(Spooling, AStreamWhoseFilesWentUnseenIsToldAsLostAndEnded) {
  createPod("a");
  createPod("other");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  stop();
  append(log("a"), cri("never seen"));
  removePod("a");
  options_.knownStreams = {describe("a")};
  start();
  ASSERT_TRUE(waitForEnd("a"));
  const auto book = sink_.book("a");
  ASSERT_EQ(book.lossBlocks.size(), 1u);
  EXPECT_EQ(book.lossBlocks[0].lossReason, event::LossReason::kRotatedAway);
  EXPECT_NE(book.lossBlocks[0].flags & event::kBlockTailLost, 0u);
}

TEST_F(Spooling, ANodeWithoutAnyContainerEndsNoStreamItKnew) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  stop();
  fs::rename(root(), root() + ".elsewhere");  // not mounted
  fs::create_directories(root() + "/containers");
  options_.knownStreams = {describe("a")};
  start();
  fs::remove_all(root());
  fs::rename(root() + ".elsewhere", root());
  append(log("a"), cri("two"));
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  EXPECT_TRUE(sink_.book("a").lossBlocks.empty());
}

}  // namespace
}  // namespace logtail::agent
