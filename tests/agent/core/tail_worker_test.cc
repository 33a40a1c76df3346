#include "agent/tail_worker.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/agent/core/node_fixture.h"

namespace logtail::agent {
namespace {

namespace fs = std::filesystem;
using test::cri;
using test::Messages;

using TailWorkerOnFiles = test::NodeFixture;

TEST_F(TailWorkerOnFiles, ReadsWhatIsThereAndWhatComes) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  append(log("a"), cri("two"));
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  createPod("b");
  append(log("b"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("b", 1));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two"}));
  EXPECT_EQ(sink_.messages("b"), (Messages{"three"}));
}

TEST_F(TailWorkerOnFiles, WaitsForALogDirectoryThatComesLater) {
  fs::remove(root() + "/containers");
  start();
  fs::create_directories(root() + "/containers");
  createPod("a");
  append(log("a"), cri("one"));
  EXPECT_TRUE(sink_.waitForCount("a", 1));
}

TEST_F(TailWorkerOnFiles, FollowsRotationInOrder) {
  createPod("a");
  start();
  Messages want;
  for (int i = 0; i < 40; ++i) {
    want.push_back("line " + std::to_string(i));
    append(log("a"), cri(want.back()));
    if (i % 10 == 9) rotate("a");
  }
  ASSERT_TRUE(sink_.waitForCount("a", want.size()));
  EXPECT_EQ(sink_.messages("a"), want);
}

TEST_F(TailWorkerOnFiles, JoinsAPartialLineAcrossRotation) {
  createPod("a");
  append(log("a"), cri("head", 'P'));
  start();
  rotate("a");
  append(log("a"), cri("-tail"));
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  EXPECT_EQ(sink_.messages("a"), (Messages{"head-tail"}));
}

TEST_F(TailWorkerOnFiles, ReadsOnInARotatedAndCompressedFileAfterARestart) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  stop();
  append(log("a"), cri("two"));
  compress(rotate("a"));
  append(log("a"), cri("three"));
  rotate("a");
  append(log("a"), cri("four"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 4));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three", "four"}));
}

TEST_F(TailWorkerOnFiles, AFileCompressedWhileItIsHeldIsReadOnce) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  const std::string rotated = rotate("a");
  append(log("a"), cri("two"));
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  compress(rotated);
  append(log("a"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
}

TEST_F(TailWorkerOnFiles, ResumesAnOpenRecordAfterARestart) {
  createPod("a");
  append(log("a"), cri("o1", 'P') + cri("side", 'F', "stderr") + cri("o2", 'P'));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  stop();
  append(log("a"), cri("o3"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  EXPECT_EQ(sink_.messages("a"), (Messages{"side", "o1o2o3"}));
}

TEST_F(TailWorkerOnFiles, CountsTheOpenPartsOfAFileThatIsGone) {
  createPod("a");
  append(log("a"), cri("o1", 'P') + cri("side", 'F', "stderr"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  stop();
  fs::remove(log("a"));
  append(log("a"), cri("next"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  EXPECT_EQ(sink_.messages("a"), (Messages{"side", "next"}));
  EXPECT_EQ(sink_.book("a").lostBytes, cri("o1", 'P').size());
}

TEST_F(TailWorkerOnFiles, ATruncatedFileIsAGenerationOfItsOwn) {
  createPod("a");
  append(log("a"), cri("one") + cri("two"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  fs::resize_file(log("a"), 0);
  append(log("a"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
  EXPECT_EQ(worker_->counts().truncations.load(), 1u);
}

TEST_F(TailWorkerOnFiles, ARewriteUnderTheSameFirstLineIsTheNextEpoch) {
  createPod("a");
  append(log("a"), cri("banner") + cri("two"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 2));
  fs::resize_file(log("a"), 0);
  append(log("a"), cri("banner") + cri("other") + cri("more"));
  ASSERT_TRUE(sink_.waitForCount("a", 5));
  EXPECT_EQ(sink_.messages("a"), (Messages{"banner", "two", "banner", "other", "more"}));
  const auto book = sink_.book("a");
  EXPECT_EQ(book.resume.generations.back().id.epoch, 1u);
}

TEST_F(TailWorkerOnFiles, ARewrittenLastLineBehindMuchThatStaysIsNoticed) {
  createPod("a");
  std::string many;
  for (int i = 0; i < 200; ++i) many += cri("line " + std::to_string(i));
  append(log("a"), many);
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 200));
  append(log("a"), cri("last"));
  ASSERT_TRUE(sink_.waitForCount("a", 201));
  {
    std::fstream file(log("a"), std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(many.size()));
    file << cri("lost") << cri("more");
  }
  ASSERT_TRUE(sink_.waitForCount("a", 403));
  EXPECT_EQ(worker_->counts().truncations.load(), 1u);
  EXPECT_EQ(sink_.messages("a").back(), "more");
  EXPECT_EQ(sink_.messages("a")[401], "lost");
}

TEST_F(TailWorkerOnFiles, ARewriteThatEndsInTheSameShortLineIsNoticed) {
  createPod("a");
  const auto lines = [](char c) {
    std::string many = cri("the same");
    for (int i = 0; i < 200; ++i) many += cri("line " + std::string(10, c));
    return many + "\n";
  };
  append(log("a"), lines('x'));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 201));
  append(log("a"), "\n");
  ASSERT_TRUE(eventually([&] { return worker_->counts().dropRecords.load() == 2; }));
  {
    std::fstream file(log("a"), std::ios::in | std::ios::out);
    file << lines('y') << "\n" << cri("more");
  }
  ASSERT_TRUE(sink_.waitForCount("a", 403));
  EXPECT_EQ(worker_->counts().truncations.load(), 1u);
  EXPECT_EQ(sink_.messages("a")[300], "line yyyyyyyyyy");
}

TEST_F(TailWorkerOnFiles, WhatIsAcknowledgedOfAnotherWorkersStreamIsNotHeld) {
  options_.workers = 2;
  start();
  const auto blocksOf = [](uint64_t worker) {
    event::BlockHeader block;
    block.stream.hash.low = worker;
    return std::make_shared<const std::vector<event::BlockHeader>>(1, block);
  };
  const auto mine = blocksOf(0);
  const auto anothers = blocksOf(1);
  worker_->acknowledged(anothers);
  EXPECT_EQ(anothers.use_count(), 1);
  worker_->acknowledged(mine);
  EXPECT_TRUE(eventually([&] { return mine.use_count() == 1; }));
}

TEST_F(TailWorkerOnFiles, TailStartsBehindTheLastWholeLine) {
  options_.startAt = StartAt::kTail;
  createPod("a");
  append(log("a"), cri("old") + "2026-12-02T12:00");
  start();
  ASSERT_TRUE(sink_.waitFor([](const auto& books) { return books.size() == 1; }));
  createPod("b");
  append(log("b"), cri("new file"));
  ASSERT_TRUE(sink_.waitForCount("b", 1));
  append(log("a"), ":00.123456789Z stdout F finished\n");
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  EXPECT_EQ(sink_.messages("a"), (Messages{"finished"}));
}

TEST_F(TailWorkerOnFiles, ALineLongerThanTheSlabIsCutFlaggedAndCounted) {
  createPod("a");
  const std::string huge = cri(std::string(3'000'000, 'x'));
  append(log("a"), cri("before"));
  append(log("a"), huge + cri("after"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  const auto book = sink_.book("a");
  EXPECT_EQ(book.records[1].message, std::string(64 * 1024, 'x'));
  EXPECT_EQ(book.records[1].flags, event::kRecordTruncated);
  EXPECT_EQ(book.records[2].message, "after");
  EXPECT_EQ(book.dropBytes, 3'000'000u - 64 * 1024 + 1);
}

TEST_F(TailWorkerOnFiles, AStreamEndsWhenItsContainerIsGoneAndAllIsAcknowledged) {
  createPod("a");
  append(log("a"), cri("one") + cri("open", 'P') + "no newline");
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  fs::remove(link("a"));
  fs::remove_all(root() + "/pods/ns_a_uid-a");
  ASSERT_TRUE(waitForEnd("a"));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "no newline", "open"}));
  EXPECT_EQ(sink_.book("a").records[2].flags, event::kRecordIncomplete);
}

TEST_F(TailWorkerOnFiles, ARestartedContainerIsAStreamOfItsOwn) {
  createPod("a", 0);
  append(log("a", 0), cri("first life"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1, 0));
  createPod("a", 1);
  append(log("a", 1), cri("second life"));
  ASSERT_TRUE(sink_.waitForCount("a", 1, 1));
  EXPECT_EQ(sink_.messages("a", 0), (Messages{"first life"}));
  EXPECT_EQ(sink_.messages("a", 1), (Messages{"second life"}));
}

TEST_F(TailWorkerOnFiles, StopsReadingWhileTheWayIsBlockedAndLosesNothing) {
  createPod("a");
  start();
  append(log("a"), cri("one"));
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  sink_.block(true);
  Messages want{"one"};
  for (int i = 0; i < 2000; ++i) {
    want.push_back(std::string(300, 'm') + std::to_string(i));
    append(log("a"), cri(want.back()));
    if (i == 1000) rotate("a");
  }
  sink_.block(false);
  worker_->room();
  ASSERT_TRUE(sink_.waitForCount("a", want.size()));
  EXPECT_EQ(sink_.messages("a"), want);
}

TEST_F(TailWorkerOnFiles, DrainHandsOnEverythingThatIsThere) {
  createPod("a");
  start();
  for (int i = 0; i < 5000; ++i) append(log("a"), cri("line " + std::to_string(i)));
  std::atomic<bool> done{false};
  worker_->drain([&] {
    done = true;
    sink_.end({});  // wakes the wait below
  });
  ASSERT_TRUE(sink_.waitFor([&](const auto&) { return done.load(); }));
  EXPECT_EQ(sink_.messages("a").size(), 5000u);
}

TEST_F(TailWorkerOnFiles, ANewLifeReadsFromTheResumePointsAgain) {
  createPod("a");
  append(log("a"), cri("one"));
  start();
  ASSERT_TRUE(sink_.waitForCount("a", 1));
  append(log("a"), cri("two"));
  worker_->reset([&] {
    const auto book = sink_.book("a");
    worker_->resume(book.description.key(), book.resume, std::nullopt, false);
  });
  append(log("a"), cri("three"));
  ASSERT_TRUE(sink_.waitForCount("a", 3));
  EXPECT_EQ(sink_.messages("a"), (Messages{"one", "two", "three"}));
}

TEST_F(TailWorkerOnFiles, ShortLivedPodsAreReadAlthoughTheyGoAtOnce) {
  start();
  for (int i = 0; i < 50; ++i) {
    const std::string pod = "p" + std::to_string(i);
    createPod(pod);
    append(log(pod), cri("only line"));
    ASSERT_TRUE(sink_.waitForCount(pod, 1)) << pod;
    fs::remove(link(pod));
    fs::remove_all(root() + "/pods/ns_" + pod + "_uid-" + pod);
  }
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(waitForEnd("p" + std::to_string(i)));
}

}  // namespace
}  // namespace logtail::agent
