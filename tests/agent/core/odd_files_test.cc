// Files that do not behave: what rotation, compression, truncation and permissions do to a reader,
// on real files. Each of these lost, doubled or misplaced lines once, or must never.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/agent/core/node_fixture.h"

namespace logtail::agent {
namespace {

namespace fs = std::filesystem;
using test::cri;
using test::Messages;

class OddFiles : public test::NodeFixture {
 protected:
  void unblock() {
    sink_.block(false);
    worker_->room();
  }
};

TEST_F(OddFiles, ALateFileBehindTheCurrentOneInTheLedgerDoesNotEndTheCurrentOne) {
  createPod("a");
  const std::string old = log("a") + ".20261201-120000";
  append(log("a"), cri("current"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  sink_.block(true);
  append(old, cri("old one"));
  sink_.block(false);
  ASSERT_TRUE(sink_.waitForCount("a", 2));  // its ordinal is behind the current file's
  EXPECT_EQ(sink_.book("a").lateBlocks, 1u);
  stop();
  append(log("a"), cri("next"));
  append(old, cri("old two"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  // Far beyond the grace the current file is still followed.
  for (int i = 0; i < 100; ++i) {
    append(log("a"), cri(std::to_string(i)));
    ASSERT_TRUE(sink_.waitForCount("a", 5 + static_cast<size_t>(i)));
  }
  const auto book = sink_.book("a");
  EXPECT_EQ(book.records.size(), 104u);
  EXPECT_EQ(book.resume.generations.size(), 2u);
}

TEST_F(OddFiles, ANewFileBehindACompressedOneIsNotLate) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  // Between two looks at the directory: two rotations, the held file compressed.
  const std::string first = rotate("a");
  append(log("a"), cri("two"));
  compress(first);
  rotate("a");
  append(log("a"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
  EXPECT_EQ(sink_.book("a").lateBlocks, 0u);
}

TEST_F(OddFiles, ANewFileBehindADeletedOneIsNotLate) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  sink_.block(true);
  append(log("a"), cri("two"));
  fs::remove(log("a"));
  append(log("a"), cri("three"));
  unblock();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
  EXPECT_EQ(sink_.book("a").lateBlocks, 0u);
}

TEST_F(OddFiles, TwoFilesWithEqualFirstLinesAreBothRead) {
  createPod("a");
  append(log("a"), cri("banner") + cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  rotate("a");
  append(log("a"), cri("banner") + cri("two"));
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  rotate("a");
  append(log("a"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"banner", "one", "banner", "two", "three"}));
}

TEST_F(OddFiles, TwoFilesWithEqualFirstLinesAreBothReadAfterAStart) {
  createPod("a");
  append(log("a"), cri("banner") + cri("one"));
  rotate("a");
  append(log("a"), cri("banner") + cri("two"));
  rotate("a");
  append(log("a"), cri("three"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"banner", "one", "banner", "two", "three"}));
}

TEST_F(OddFiles, ARotatedFileThatComesWithTheFirstLineOfAFinishedOneIsRead) {
  createPod("a");
  append(log("a"), cri("banner") + cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  rotate("a");
  append(log("a"), cri("later"));
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  ASSERT_TRUE(sink_.waitFor(
      [](const auto& books) { return books.begin()->second.resume.generations.front().end; }));
  append(log("a") + ".20261201-120000", cri("banner") + cri("unseen"));
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a").back(), "unseen");
}

TEST_F(OddFiles, ACopyOfAFinishedFileUnderANewNameIsReadOnce) {
  createPod("a");
  append(log("a"), cri("one") + cri("two"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  const std::string rotated = rotate("a");
  append(log("a"), cri("three"));
  ASSERT_TRUE(sink_.waitFor(
      [](const auto& books) { return books.begin()->second.resume.generations.front().end; }));
  // logrotate's way: the number changes while it is compressed.
  fs::rename(rotated, log("a") + ".2");
  compress(log("a") + ".2");
  append(log("a"), cri("four"));
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three", "four"}));
}

TEST_F(OddFiles, FilesThatTheStartLeavesOutStayOutUnderEveryName) {
  options_.startAt = StartAt::kTail;
  createPod("a");
  append(log("a"), cri("old"));
  const std::string rotated = rotate("a");
  append(log("a"), cri("older than the start"));
  start();
  ASSERT_TRUE(sink_.waitFor([](const auto& books) { return books.size() == 1; }));
  createPod("b");
  append(log("b"), cri("the start is over"));
  ASSERT_TRUE(sink_.waitForCount("b", 1));
  append(log("a"), cri("one"));
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  compress(rotated);
  append(log("a"), cri("two"));
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two"}));
}

TEST_F(OddFiles, AReusedInodeIsNotTakenForTheFileThatHadIt) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  const std::string rotated = rotate("a");
  append(log("a"), cri("two"));
  ASSERT_TRUE(sink_.waitFor(
      [](const auto& books) { return books.begin()->second.resume.generations.front().end; }));
  append(log("a"), cri("three"));  // a look at the directory lets the finished file go
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  // The same inode under the current name: the finished file's own, rewritten.
  fs::resize_file(rotated, 0);
  append(rotated, cri("reused") + cri("longer than before"));
  fs::rename(log("a"), log("a") + ".20261202-130000");
  fs::rename(rotated, log("a"));
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  const Messages got = sink_.messages("a");
  EXPECT_EQ(Messages(got.begin(), got.begin() + 3), (Messages{"one", "two", "three"}));
  EXPECT_EQ(got.back(), "longer than before");
}

// Without permission or without descriptors: the tailer sees the same, and root opens everything.
TEST_F(OddFiles, AFileThatCannotBeOpenedForAWhileIsReadFromWhereItStood) {
  createPod("a");
  append(log("a"), cri("one") + cri("two"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  stop();
  append(log("a"), cri("three"));
  options_.openFiles = 0;
  start();
  ASSERT_TRUE(eventually([&] { return worker_->counts().unreadableFiles.load() > 5; }));
  EXPECT_TRUE(sink_.book("a").lossBlocks.empty());
  stop();
  options_.openFiles = 100;
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
  EXPECT_EQ(sink_.book("a").resume.generations.size(), 1u);
}

TEST_F(OddFiles, AnAwaitedFileIsReadFromWhereItStoodOnceItOpens) {
  createPod("a");
  append(log("a"), cri("one") + cri("two"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  stop();
  append(log("a"), cri("three"));
  createPod("b");
  append(log("b"), "half a line");  // read, but never acknowledged to its end: it stays open
  createPod("c");
  append(log("c"), "another");
  options_.openFiles = 2;
  start();
  ASSERT_TRUE(eventually([&] { return worker_->counts().streams.load() == 3; }));
  // Whoever has the descriptors ends, and another one has its turn.
  removePod("b");
  removePod("c");
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
  const auto book = sink_.book("a");
  EXPECT_EQ(book.resume.generations.size(), 1u);
  EXPECT_TRUE(book.lossBlocks.empty());
}

TEST_F(OddFiles, FilesThatWaitAreNotTriedAgainWhileNoneMayRest) {
  sink_.acknowledge(false);
  options_.openFiles = 1;
  options_.disk.interval = std::chrono::hours(1);
  for (const char* pod : {"a", "b", "c"}) createPod(pod), append(log(pod), cri("one"));
  start();
  // Two files at the start, each again when its stream is answered and at the disk's first look.
  const auto failed = [&] { return worker_->counts().unreadableFiles.load(); };
  ASSERT_TRUE(eventually([&] { return failed() >= 4; }));
  const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  ASSERT_TRUE(eventually([&] { return std::chrono::steady_clock::now() > later; }));
  EXPECT_LE(failed(), 6u);
}

TEST_F(OddFiles, MoreFilesThanDescriptorsAreReadAllTheSame) {
  constexpr int kPods = 40;
  options_.openFiles = 8;
  for (int i = 0; i < kPods; ++i) {
    createPod("p" + std::to_string(i));
    append(log("p" + std::to_string(i)), cri("first"));
  }
  start();
  for (int i = 0; i < kPods; ++i) ASSERT_TRUE(sink_.waitForCount("p" + std::to_string(i), 1)) << i;
  for (int i = 0; i < kPods; ++i) {
    const std::string pod = "p" + std::to_string(i);
    append(log(pod), cri("second"));
    if (i % 3 == 0) compress(rotate(pod));
    if (i % 3 == 1) rotate(pod);
    append(log(pod), cri("third"));
  }
  for (int i = 0; i < kPods; ++i) {
    const std::string pod = "p" + std::to_string(i);
    ASSERT_TRUE(sink_.waitForCount(pod, 3))
        << i << " has " << testing::PrintToString(sink_.messages(pod)) << ", "
        << sink_.book(pod).lossBlocks.size() << " losses, "
        << worker_->counts().unreadableFiles.load() << " failed opens";
    EXPECT_EQ(sink_.messages(pod), (Messages{"first", "second", "third"}));
    EXPECT_TRUE(sink_.book(pod).lossBlocks.empty());
  }
}

TEST_F(OddFiles, WholeLinesThatStraggleInBehindTheFinalEndAreLines) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  const int held = ::open(log("a").c_str(), O_WRONLY | O_APPEND);
  rotate("a");
  append(log("a"), cri("new"));
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  const std::string late = cri("straggler one") + cri("straggler two");
  ASSERT_EQ(::write(held, late.data(), late.size()), static_cast<ssize_t>(late.size()));
  ::close(held);
  append(log("a"), cri("newer"));
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  for (const auto& record : sink_.book("a").records) EXPECT_EQ(record.flags, 0) << record.message;
}

TEST_F(OddFiles, ALineOfAHundredMegabytesIsCutFlaggedAndCountedInBoundedMemory) {
  createPod("a");
  append(log("a"), cri("before"));
  const size_t size = 100'000'000;
  append(log("a"), cri(std::string(size, 'x')) + cri("after"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  const auto book = sink_.book("a");
  EXPECT_EQ(book.records[1].message.size(), options_.maxLine);
  EXPECT_EQ(book.records[1].flags, event::kRecordTruncated);
  EXPECT_EQ(book.dropBytes, size - options_.maxLine + 1);
  EXPECT_EQ(book.records[2].message, "after");
  EXPECT_TRUE(eventually([&] { return worker_->counts().cutAtLimit.load() == 1; }));
}

TEST_F(OddFiles, ALongLineWithoutAnEndIsEmittedWhenItsStreamEnds) {
  createPod("a");
  const std::string head = "2026-12-02T12:00:00.123456789Z stdout F ";
  append(log("a"), head + std::string(2'000'000, 'x'));
  start();
  ASSERT_TRUE(eventually([&] { return worker_->counts().readBytes.load() >= 2'000'000; }));
  removePod("a");
  ASSERT_TRUE(waitForEnd("a"));
  const auto book = sink_.book("a");
  ASSERT_EQ(book.records.size(), 1u);
  EXPECT_EQ(book.records[0].flags, event::kRecordTruncated | event::kRecordIncomplete);
  EXPECT_EQ(book.dropBytes, 2'000'000 - options_.maxLine);
}

TEST_F(OddFiles, ADamagedCompressedFileCostsItsRestAndSaysSo) {
  createPod("a");
  std::string content;
  for (int i = 0; i < 20'000; ++i) content += cri("line " + std::to_string(i * 7919));
  append(log("a"), content);
  const std::string rotated = rotate("a");
  compress(rotated);
  fs::resize_file(rotated + ".gz", fs::file_size(rotated + ".gz") / 2);
  append(log("a"), cri("next"));
  start();
  ASSERT_TRUE(sink_.waitFor([](const auto& books) {
    return !books.empty() && !books.begin()->second.records.empty() &&
           books.begin()->second.records.back().message == "next";
  }));
  const auto book = sink_.book("a");
  ASSERT_EQ(book.lossBlocks.size(), 1u);
  EXPECT_EQ(book.lossBlocks[0].lossReason, event::LossReason::kUnreadable);
  EXPECT_NE(book.lossBlocks[0].flags & event::kBlockTailLost, 0u);
  EXPECT_GT(book.records.size(), 1000u);
}

TEST_F(OddFiles, AStreamWithNothingLeftToReadEndsAfterARestart) {
  createPod("a");
  createPod("other");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  rotate("a");
  ASSERT_TRUE(sink_.waitFor([](const auto& books) {
    for (const auto& [key, book] : books) {
      if (!book.resume.generations.empty() && book.resume.generations.front().end) return true;
    }
    return false;
  }));
  stop();
  removePod("a");
  options_.knownStreams = {describe("a")};
  start();
  ASSERT_TRUE(waitForEnd("a"));
  EXPECT_TRUE(sink_.book("a").lossBlocks.empty());
}

TEST_F(OddFiles, ATruncationInTheMiddleOfALongLineIsNoticed) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  append(log("a"), std::string(2'000'000, 'x'));
  ASSERT_TRUE(eventually([&] { return worker_->counts().readBytes.load() >= 2'000'000; }));
  fs::resize_file(log("a"), 0);
  append(log("a"), cri("two"));
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two"}));
  EXPECT_EQ(worker_->counts().truncations.load(), 1u);
}

TEST_F(OddFiles, AForbiddenStreamIsLetGoWithItsFiles) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  worker_->forbidden(describe("a").key());
  ASSERT_TRUE(eventually([&] { return worker_->counts().streams.load() == 0; }));
  append(log("a"), cri("two"));
  createPod("b");
  append(log("b"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("b", 1));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one"}));
}

TEST_F(OddFiles, AContainerThereIsNoMemoryForIsFollowedOnceThereIs) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  auto everything = budget_.reserve(budget_.limit() - budget_.used());
  createPod("b");
  append(log("b"), cri("two"));
  ASSERT_TRUE(eventually([&] { return worker_->counts().memoryShort.load(); }));
  everything.release();
  ASSERT_TRUE(sink_.waitForCount("b", 1));
  EXPECT_TRUE(eventually([&] { return !worker_->counts().memoryShort.load(); }));
}

}  // namespace
}  // namespace logtail::agent
