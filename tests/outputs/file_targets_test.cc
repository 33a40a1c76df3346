// Rotation, descriptors and numbers of an output's files.

#include "outputs/file_targets.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include "outputs/file_numbers.h"
#include "tests/outputs/file_output_rig.h"
#include "tests/outputs/watched_files.h"

namespace logtail::outputs {
namespace {

using Lines = std::vector<std::string>;
using Names = std::vector<std::string>;

TEST(FileTargets, AFileThatWouldGrowBeyondTheSizeIsFinal) {
  FileOutputRig rig;
  rig.settings.rotateSize = base::Bytes{1000};
  ASSERT_TRUE(rig.start().ok());
  const std::string line(300, 'x');
  for (int i = 0; i < 4; ++i) {
    rig.take("web", {line + std::to_string(i)});
    rig.commit();
  }
  EXPECT_EQ(rig.names("shop"),
            (Names{"web_app.log", "web_app_1.log", "web_app_2.log", "web_app_3.log"}));
  EXPECT_EQ(rig.messages("shop/web_app_2.log"), Lines{line + "2"});
  EXPECT_EQ(rig.counter("files_finished_total"), 3u);
  EXPECT_EQ(rig.delivered, 4u);
}

TEST(FileTargets, AnOldFileIsFinalWithWhatWasJustWritten) {
  FileOutputRig rig;
  rig.settings.rotateAge = std::chrono::seconds(60);
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.commit();
  rig.clock.advance(std::chrono::seconds(59));
  rig.take("web", {"b"});
  rig.commit();
  rig.clock.advance(std::chrono::seconds(1));
  rig.take("web", {"c"});
  rig.commit();
  rig.take("web", {"d"});
  rig.commit();
  EXPECT_EQ(rig.messages("shop/web_app.log"), (Lines{"a", "b", "c"}));
  EXPECT_EQ(rig.messages("shop/web_app_1.log"), Lines{"d"});
}

// The age is the file's, not the process's.
TEST(FileTargets, TheAgeOfAFileGoesOnAcrossARestart) {
  FileOutputRig rig;
  rig.settings.rotateAge = std::chrono::seconds(60);
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.commit();
  rig.clock.advance(std::chrono::seconds(61));
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"b"});
  rig.commit();
  rig.take("web", {"c"});
  rig.commit();
  EXPECT_EQ(rig.messages("shop/web_app.log"), (Lines{"a", "b"}));
  EXPECT_EQ(rig.messages("shop/web_app_1.log"), Lines{"c"});
}

TEST(FileTargets, ThousandsOfTargetsShareFewDescriptors) {
  FileOutputRig rig;
  rig.settings.openFiles = 16;
  WatchedFiles watched(rig.disk);
  auto output = FileOutput::make(rig.settings, rig.context(watched)).value();
  ASSERT_TRUE(output->start().ok());
  constexpr int kPods = 2000;
  uint64_t delivered = 0;
  for (uint64_t round = 1; round <= 2; ++round) {
    auto batch = std::make_shared<TestBatch>(round);
    for (int pod = 0; pod < kPods; ++pod) {
      batch->add(testStream("p" + std::to_string(pod)), round * 1000,
                 {{"line " + std::to_string(round)}});
    }
    output->take(batch, Delivery([&](const Outcome& outcome) {
                   delivered += outcome.kind == Outcome::Kind::kDelivered ? 1 : 0;
                 }));
    output->drain();
  }
  EXPECT_EQ(delivered, 2u);
  EXPECT_EQ(output->targets().size(), size_t{kPods});
  EXPECT_EQ(output->targets().openFiles(), 16u);
  EXPECT_LE(watched.mostOpen(), 16u + 2u);  // the manifest, old and new
  EXPECT_EQ(rig.names("shop").size(), size_t{kPods});
  for (const int pod : {0, 1, 1500, kPods - 1}) {
    EXPECT_EQ(rig.messages("shop/p" + std::to_string(pod) + "_app.log"),
              (Lines{"line 1", "line 2"}));
  }
  EXPECT_EQ(output->targets().bufferedBytes(), 0u);
}

TEST(FileTargets, AFileThatGotNothingForLongIsFinalAndForgotten) {
  FileOutputRig rig;
  rig.settings.closeIdle = std::chrono::seconds(60);
  ASSERT_TRUE(rig.start().ok());
  rig.take("old", {"a"});
  rig.commit();
  rig.clock.advance(std::chrono::seconds(30));
  rig.take("new", {"b"});
  rig.commit();
  const auto due = rig.output->turn();
  ASSERT_TRUE(due.has_value());
  EXPECT_EQ(*due, rig.clock.steady() + std::chrono::seconds(30));
  rig.clock.advance(std::chrono::seconds(30));
  rig.output->turn();
  EXPECT_EQ(rig.output->targets().size(), 1u);
  EXPECT_EQ(rig.output->targets().openFiles(), 1u);
  EXPECT_EQ(rig.counter("files_finished_total"), 1u);
  rig.take("old", {"c"});  // the next file
  rig.take("new", {"d"});
  rig.commit();
  EXPECT_EQ(rig.names("shop"), (Names{"new_app.log", "old_app.log", "old_app_1.log"}));
  EXPECT_EQ(rig.messages("shop/new_app.log"), (Lines{"b", "d"}));
}

TEST(FileTargets, BeyondTheKnownFilesTheLongestIdleIsFinal) {
  FileOutputRig rig;
  rig.settings.knownFiles = 16;
  ASSERT_TRUE(rig.start().ok());
  const auto use = [&rig](int pod, const std::string& line) {
    rig.take("p" + std::to_string(pod), {line});
    rig.commit();
    rig.clock.advance(std::chrono::milliseconds(1));
  };
  for (int pod = 0; pod < 16; ++pod) use(pod, "a");
  use(0, "b");  // not idle any more
  for (int pod = 16; pod < 20; ++pod) use(pod, "a");
  EXPECT_EQ(rig.output->targets().size(), 16u);
  use(0, "c");
  use(1, "c");  // was forgotten
  use(19, "c");
  EXPECT_EQ(rig.messages("shop/p0_app.log"), (Lines{"a", "b", "c"}));
  EXPECT_EQ(rig.messages("shop/p1_app_1.log"), Lines{"c"});
  EXPECT_EQ(rig.messages("shop/p19_app.log"), (Lines{"a", "c"}));
}

TEST(FileTargets, AFileOfTheGroupIsNeverIdle) {
  FileOutputRig rig;
  rig.settings.knownFiles = 16;
  ASSERT_TRUE(rig.start().ok());
  for (int pod = 0; pod < 40; ++pod) rig.take("p" + std::to_string(pod), {"a"});
  rig.commit();
  EXPECT_EQ(rig.output->targets().size(), 40u);
  EXPECT_EQ(rig.counter("files_finished_total"), 0u);
  rig.take("p39", {"b"});
  rig.commit();
  EXPECT_EQ(rig.output->targets().size(), 16u);
  EXPECT_EQ(rig.messages("shop/p39_app.log"), (Lines{"a", "b"}));
}

TEST(FileTargets, TheDescriptorThatWasNotUsedLongestIsClosedFirst) {
  FileOutputRig rig;
  rig.settings.openFiles = 2;
  WatchedFiles watched(rig.disk);
  rig.output = FileOutput::make(rig.settings, rig.context(watched)).value();
  ASSERT_TRUE(rig.again().ok());
  const auto opensFor = [&](const char* pod) {
    const uint64_t before = watched.opened();
    rig.take(pod, {"line"});
    rig.commit();
    return watched.opened() - before;
  };
  EXPECT_EQ(opensFor("a"), 1u);
  EXPECT_EQ(opensFor("b"), 1u);
  EXPECT_EQ(opensFor("a"), 0u);
  EXPECT_EQ(opensFor("c"), 1u);  // in place of b
  EXPECT_EQ(opensFor("a"), 0u);
  EXPECT_EQ(opensFor("b"), 1u);
}

TEST(FileTargets, NumbersGoOnBehindTheFilesThatAreThere) {
  FileOutputRig rig;
  for (const char* name :
       {"web_app.log", "web_app_7.log", "web_app_x.log", "web_app_9.txt", "web_app_9x.log",
        "web_app_4294967295.log", "web_app2_8.log", "db_app_3.log"}) {
    rig.write(std::string("shop/") + name, "theirs\n");
  }
  ASSERT_TRUE(rig.start().ok());
  rig.take("web", {"a"});
  rig.take("db", {"b"});
  rig.take("new", {"c"});
  rig.commit();
  EXPECT_EQ(rig.messages("shop/web_app_8.log"), Lines{"a"});
  EXPECT_EQ(rig.messages("shop/db_app_4.log"), Lines{"b"});
  EXPECT_EQ(rig.messages("shop/new_app.log"), Lines{"c"});
  EXPECT_EQ(rig.bytes("shop/web_app_7.log"), "theirs\n");
}

TEST(FileTargets, ANameThatSomebodyTookMeanwhileIsPassedOver) {
  FileOutputRig rig;
  rig.settings.rotateSize = base::Bytes{1000};
  ASSERT_TRUE(rig.start().ok());
  const std::string line(600, 'x');
  rig.take("web", {line});
  rig.commit();
  rig.write("shop/web_app_1.log", "theirs\n");
  rig.take("web", {line});
  rig.commit();
  ASSERT_TRUE(rig.start().ok());  // removes what it announced and never committed
  EXPECT_EQ(rig.bytes("shop/web_app_1.log"), "theirs\n");
  EXPECT_EQ(rig.messages("shop/web_app_2.log"), Lines{line});
}

TEST(FileTargets, ADirectoryIsListedOnceForAllNewFilesInIt) {
  FileOutputRig rig;
  for (int i = 0; i < 50; ++i) rig.write("shop/p" + std::to_string(i) + "_app_5.log", "x\n");
  FileNumbers numbers(rig.disk, rig.kLogs);
  EXPECT_EQ(numbers.behind("shop/p1_app.log").value(), 6u);
  ASSERT_TRUE(rig.disk.remove("/logs/shop/p2_app_5.log").ok());
  EXPECT_EQ(numbers.behind("shop/p2_app.log").value(), 6u);  // as it was listed
  EXPECT_EQ(numbers.freeFrom("shop/p3_app.log", 0).value(), 0u);
  EXPECT_EQ(numbers.freeFrom("shop/p3_app.log", 5).value(), 6u);
  EXPECT_EQ(numbers.behind("bank/p1_app.log").value(), 0u);
}

std::string decompressed(std::string_view bytes) {
  std::string out(8 << 20, '\0');
  size_t size = 0;
  while (!bytes.empty()) {  // frame by frame; a part of one is an error
    const size_t frame = ZSTD_findFrameCompressedSize(bytes.data(), bytes.size());
    if (ZSTD_isError(frame)) return "no whole frame";
    const size_t got = ZSTD_decompress(out.data() + size, out.size() - size, bytes.data(), frame);
    if (ZSTD_isError(got)) return "a damaged frame";
    size += got;
    bytes.remove_prefix(frame);
  }
  return out.substr(0, size);
}

TEST(FileTargets, ACompressedFileCanBeReadUpToEveryCommit) {
  FileOutputRig rig;
  rig.settings.compress = Compression::kZstd;
  ASSERT_TRUE(rig.start().ok());
  std::vector<size_t> lengths;
  Lines all;
  for (int i = 0; i < 12; ++i) {
    Lines lines;
    // Some groups are larger than what is compressed at once.
    for (int n = 0; n < (i % 4 == 3 ? 2000 : 3); ++n) {
      lines.push_back(std::to_string(i) + "-" + std::to_string(n) + std::string(n % 40, 'z'));
    }
    rig.take("web", lines);
    rig.commit();
    all.insert(all.end(), lines.begin(), lines.end());
    const std::string bytes = rig.bytes("shop/web_app.log.zst");
    ASSERT_EQ(FileOutputRig::messagesIn(decompressed(bytes)), all) << i;
    lengths.push_back(bytes.size());
  }
  const std::string bytes = rig.bytes("shop/web_app.log.zst");
  for (const size_t length : lengths) {
    const auto lines =
        FileOutputRig::messagesIn(decompressed(std::string_view(bytes).substr(0, length)));
    EXPECT_EQ(lines, Lines(all.begin(), all.begin() + static_cast<long>(lines.size())));
  }
  EXPECT_EQ(decompressed(std::string_view(bytes).substr(0, lengths[2] - 1)), "no whole frame");
}

}  // namespace
}  // namespace logtail::outputs
