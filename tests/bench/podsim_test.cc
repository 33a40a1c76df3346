// Runs a small simulated node and reads back everything it left on disk, the way a reader of CRI
// would.

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "bench/podsim/line.h"
#include "bench/podsim/rotate_log.h"
#include "bench/podsim/world.h"
#include "common/base/file_system.h"
#include "tests/support/temp_dir.h"

namespace logtail::bench {
namespace {

namespace fs = std::filesystem;

std::string gunzip(const std::string& path) {
  gzFile file = ::gzopen(path.c_str(), "rb");
  std::string bytes;
  char chunk[65536];
  for (int n = 0; (n = ::gzread(file, chunk, sizeof chunk)) > 0;) bytes.append(chunk, n);
  EXPECT_EQ(::gzclose(file), Z_OK) << path;
  return bytes;
}

std::string contents(const std::string& path) {
  if (path.ends_with(".gz")) return gunzip(path);
  return *base::readFile(base::posixFileSystem(), path, uint64_t{1} << 30);
}

class PodsimTest : public ::testing::Test {
 protected:
  PodsimTest() {
    options_.root = dir_.path();
    options_.pods = 3;
    options_.rate = 0;
    options_.lines = 20000;
    options_.partialFraction = 0.01;
    options_.rotateBytes = uint64_t{1} << 30;
  }

  PodsimSummary run() {
    SimWorld world(options_);
    auto summary = world.run();
    EXPECT_TRUE(summary.ok()) << summary.message();
    return summary.ok() ? *summary : PodsimSummary();
  }

  // Each container's files in the order in which they were written: by restart, then rotated ones
  // by their time, then the current one.
  std::map<std::string, std::vector<std::string>> files() const {
    std::map<std::string, std::vector<std::string>> found;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ / "pods")) {
      if (!entry.is_regular_file()) continue;
      found[entry.path().parent_path().string()].push_back(entry.path().string());
    }
    for (auto& [directory, paths] : found) {
      std::sort(paths.begin(), paths.end(), [](const std::string& a, const std::string& b) {
        const size_t dot = a.find(".log");
        const int order = a.substr(0, dot + 4).compare(b.substr(0, b.find(".log") + 4));
        if (order != 0) return order < 0;
        return (a.ends_with(".log") ? a + ".9" : a) < (b.ends_with(".log") ? b + ".9" : b);
      });
    }
    return found;
  }

  // Joins the parts of each channel; fills seen_ by stream and expects whole lines in order.
  void readContainer(const std::vector<std::string>& paths) {
    static const std::regex kHeader(
        R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,8}[1-9])?Z (stdout|stderr) ([PF]) )");
    std::map<std::string, std::string> open;
    for (const std::string& path : paths) {
      std::string_view left;
      const std::string bytes = contents(path);
      left = bytes;
      while (!left.empty()) {
        const size_t end = left.find('\n');
        ASSERT_NE(end, left.npos) << path << " ends within a line";
        const std::string line(left.substr(0, end));
        left.remove_prefix(end + 1);
        std::smatch header;
        ASSERT_TRUE(
            std::regex_search(line, header, kHeader, std::regex_constants::match_continuous))
            << line.substr(0, 60);
        const std::string message = header.suffix();
        EXPECT_LE(message.size(), options_.partBytes);
        std::string& joined = open[header[2]];
        parts_ += header[3] == "P" ? 1 : 0;
        interleaved_ += !open["stdout"].empty() && !open["stderr"].empty() ? 1 : 0;
        joined += message;
        if (header[3] == "P") continue;
        takeLine(joined, header[2] == "stdout" ? 'o' : 'e');
        joined.clear();
      }
    }
    EXPECT_TRUE(open["stdout"].empty() && open["stderr"].empty()) << "an open line was left";
  }

  void takeLine(const std::string& text, char channel) {
    LineId id;
    ASSERT_EQ(checkLine(text, id), LineCheck::kWhole) << text.substr(0, 200);
    EXPECT_EQ(id.channel, channel);
    const auto key =
        std::make_tuple(std::string(id.pod), std::string(id.container), id.restart, id.channel);
    const auto last = last_.find(key);
    if (last != last_.end()) {
      EXPECT_EQ(id.sequence, last->second + 1);
    }
    last_[key] = id.sequence;
    ++counts_[key];
  }

  void readAll() {
    for (const auto& [directory, paths] : files()) readContainer(paths);
  }

  // Only where nothing was rotated away: each stream as long as the manifest says.
  void expectManifest(uint64_t lines) {
    const auto streams = readManifest(dir_.path());
    ASSERT_TRUE(streams.ok());
    uint64_t total = 0;
    for (const StreamCount& stream : *streams) {
      const auto key =
          std::make_tuple(stream.pod, stream.container, stream.restart, stream.channel);
      EXPECT_EQ(counts_[key], stream.lines);
      if (stream.lines == 0) continue;
      EXPECT_EQ(last_[key], stream.lastSequence);
      EXPECT_EQ(stream.lastSequence + 1 - stream.firstSequence, stream.lines);
      total += stream.lines;
    }
    EXPECT_EQ(total, lines);
  }

  using Key = std::tuple<std::string, std::string, uint32_t, char>;
  test::TempDir dir_;
  PodsimOptions options_;
  std::map<Key, uint64_t> counts_;
  std::map<Key, uint64_t> last_;
  uint64_t parts_ = 0;
  uint64_t interleaved_ = 0;
};

TEST_F(PodsimTest, WritesWholeLinesWithPartsOfBothChannelsInterleaved) {
  options_.stderrFraction = 0.5;
  const PodsimSummary summary = run();
  readAll();
  EXPECT_GE(summary.lines, options_.lines);
  expectManifest(summary.lines);
  EXPECT_GT(parts_, 0U);
  EXPECT_GT(interleaved_, 0U);
}

TEST_F(PodsimTest, LinksEachContainerByItsId) {
  options_.containers = 2;
  options_.lines = 100;
  run();
  static const std::regex kName(R"([a-z]+-\w{9}-\w{5}_ns-\d_(app|proxy)-[0-9a-f]{64}\.log)");
  size_t links = 0;
  for (const auto& entry : fs::directory_iterator(dir_ / "containers")) {
    EXPECT_TRUE(std::regex_match(entry.path().filename().string(), kName)) << entry.path();
    EXPECT_TRUE(entry.is_symlink());
    EXPECT_TRUE(fs::read_symlink(entry.path()).string().starts_with(dir_ / "pods/ns-"));
    EXPECT_TRUE(fs::exists(entry.path()));
    ++links;
  }
  EXPECT_EQ(links, 6U);
}

TEST_F(PodsimTest, RotatesByRenameAndCompressesAllButTheNewest) {
  fs::create_directories(dir_ / "containers");
  auto created =
      SimContainer::create(options_, {"ns-0", "api-1", "uid-1", "app", std::string(64, 'a'), 0}, 1);
  ASSERT_TRUE(created.ok());
  SimContainer& container = **created;
  for (const char* suffix : {"20260101-000001", "20260101-000002", "20260101-000003"}) {
    ASSERT_TRUE(container.emit(100).ok());
    ASSERT_TRUE(rotateLog(container.logPath(), suffix, 4, true).ok());
    container.requestReopen();
    ASSERT_TRUE(container.emit(10).ok()) << "into the renamed file, then reopens";
    EXPECT_FALSE(container.reopenPending());
  }
  ASSERT_TRUE(container.finish(true).ok());
  const std::string log = container.logPath();
  EXPECT_EQ(files().begin()->second,
            (std::vector<std::string>{log + ".20260101-000001.gz", log + ".20260101-000002.gz",
                                      log + ".20260101-000003", log}));
  readAll();
  uint64_t lines = 0;
  for (const auto& [key, count] : counts_) lines += count;
  EXPECT_EQ(lines, 330U);
  ASSERT_TRUE(rotateLog(log, "20260101-000004", 4, true).ok());
  EXPECT_EQ(files().begin()->second,
            (std::vector<std::string>{log + ".20260101-000002.gz", log + ".20260101-000003.gz",
                                      log + ".20260101-000004"}));
}

TEST_F(PodsimTest, CleansUpAfterAnInterruptedCompression) {
  const std::string log = dir_ / "0.log";
  for (const char* name : {"0.log", "0.log.1", "0.log.1.gz", "0.log.2.tmp", "1.log.1"}) {
    ASSERT_TRUE(base::posixFileSystem().open(dir_ / name, base::OpenMode::kCreate).ok());
  }
  EXPECT_EQ(*rotatedFiles(log), std::vector<std::string>{log + ".1.gz"});
  EXPECT_FALSE(fs::exists(log + ".1"));
  EXPECT_FALSE(fs::exists(log + ".2.tmp"));
  EXPECT_TRUE(fs::exists(dir_ / "1.log.1"));
}

TEST_F(PodsimTest, RestartsUnderTheNextNumberAndKeepsTheLogsOfTwo) {
  options_.pods = 1;
  options_.lines = 4000;
  options_.restartEvery = std::chrono::nanoseconds(1);  // at every turn
  run();
  readAll();
  std::set<uint32_t> onDisk;
  for (const auto& [key, count] : counts_) onDisk.insert(std::get<2>(key));
  const auto streams = readManifest(dir_.path());
  uint32_t last = 0;
  for (const StreamCount& stream : *streams) last = std::max(last, stream.restart);
  EXPECT_GE(last, 5U);
  EXPECT_EQ(onDisk, (std::set<uint32_t>{last - 1, last}));
}

TEST_F(PodsimTest, TakesShortLivedPodsAway) {
  options_.pods = 0;
  options_.lines = 0;
  options_.shortLived = 5;
  options_.duration = std::chrono::milliseconds(300);
  run();
  EXPECT_TRUE(files().empty());
  EXPECT_TRUE(fs::is_empty(dir_ / "containers"));
  const auto streams = readManifest(dir_.path());
  std::set<std::string> pods;
  for (const StreamCount& stream : *streams) pods.insert(stream.podUid);
  EXPECT_EQ(pods.size(), 5U);
}

TEST_F(PodsimTest, GoesOnWithItsContainersWhenAskedTo) {
  options_.lines = 1000;
  const uint64_t first = run().lines;
  options_.resume = true;
  options_.seed = 2;
  const uint64_t second = run().lines;
  readAll();
  expectManifest(first + second);
  EXPECT_EQ(files().size(), 3U);
}

TEST_F(PodsimTest, MakesOtherPodsWhenStartedAgain) {
  options_.lines = 1000;
  const uint64_t lines = run().lines + run().lines;
  readAll();
  expectManifest(lines);
  EXPECT_EQ(files().size(), 6U);
}

TEST_F(PodsimTest, WritesOneLongLineInParts) {
  options_.lines = 100;
  options_.longLine = 5'000'000;
  const PodsimSummary summary = run();
  readAll();
  expectManifest(summary.lines);
  EXPECT_GT(parts_, 300U);
}

TEST(PodsimCommandLine, SaysWhatIsWrong) {
  const auto message = [](std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), {"podsim", "--root", "/nowhere"});
    auto parsed = parsePodsimOptions(static_cast<int>(arguments.size()), arguments.data());
    return parsed.ok() ? "ok" : parsed.message();
  };
  EXPECT_EQ(message({"--line-bytes", "100..2KiB", "--mix", "1:0:2", "--no-gzip"}), "ok");
  EXPECT_NE(message({"--mix", "1:2"}).find("--mix"), std::string::npos);
  EXPECT_NE(message({"--duration", "soon"}).find("--duration"), std::string::npos);
  EXPECT_NE(message({"--line-bytes", "9..1"}).find("--line-bytes"), std::string::npos);
  EXPECT_NE(message({"--keep", "1"}).find("--keep"), std::string::npos);
  EXPECT_NE(message({"--speed", "1"}).find("--speed"), std::string::npos);
}

}  // namespace
}  // namespace logtail::bench
