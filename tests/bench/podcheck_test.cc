#include <gtest/gtest.h>
#include <zstd.h>

#include <functional>

#include "bench/podcheck/check.h"
#include "bench/podsim/line.h"
#include "common/base/file_system.h"
#include "tests/support/temp_dir.h"

namespace logtail::bench {
namespace {

constexpr uint64_t kLines = 6;  // of each channel

struct Delivered {
  std::string message;
  std::string id;
  std::string channel;
  std::string pod = "api-1";
  bool truncated = false;
};

// One stream with two channels, delivered as it should be; each test breaks one thing.
class PodcheckTest : public ::testing::Test {
 protected:
  PodcheckTest() {
    std::vector<StreamCount> written;
    for (const char channel : {'o', 'e'}) {
      written.push_back(
          {"shop", "api-1", "uid-1", "app", "c0ffee", 0, channel, kLines, 0, kLines - 1, true});
    }
    EXPECT_TRUE(writeManifest(dir_.path(), written).ok());
    EXPECT_TRUE(base::posixFileSystem().createDirectories(dir_ / "out/shop").ok());
    for (uint64_t sequence = 0; sequence < kLines; ++sequence) {
      for (const char channel : {'o', 'e'}) records_.push_back(make(channel, sequence));
    }
  }

  static Delivered make(char channel, uint64_t sequence) {
    Delivered record;
    LineId id{"api-1", "app", 0, channel, sequence, 1700000000000000000};
    appendLine(record.message, LineShape::kText, id, 200, sequence);
    record.id = std::string(1, channel) + std::to_string(sequence);
    record.channel = channel == 'o' ? "stdout" : "stderr";
    return record;
  }

  static std::string escape(const std::string& text) {
    std::string out;
    for (const char byte : text) {
      if (byte == '"' || byte == '\\') out += '\\';
      if (byte == '\t') out += "\\t";
      if (byte == '\n') out += "\\n";
      if (byte != '\t' && byte != '\n') out += byte;
    }
    return out;
  }

  static std::string toJson(const Delivered& record) {
    return R"({"time":"2023-11-14T22:13:20Z","stream":")" + record.channel + R"(","log":")" +
           escape(record.message) + R"(","logtail_id":")" + record.id + R"(",)" +
           (record.truncated ? R"("logtail_flags":["truncated"],)" : "") +
           R"("kubernetes":{"namespace_name":"shop","pod_name":")" + record.pod +
           R"(","pod_id":"uid-1","container_name":"app","docker_id":"c0ffee","restart_count":0}})" +
           "\n";
  }

  std::string all() const {
    std::string bytes;
    for (const Delivered& record : records_) bytes += toJson(record);
    return bytes;
  }

  void write(const std::string& name, std::string_view bytes) {
    auto file = base::posixFileSystem().open(dir_ / ("out/shop/" + name), base::OpenMode::kCreate);
    ASSERT_TRUE((*file)->write(0, bytes).ok());
  }

  CheckReport check(bool allowMissingBefore = false) {
    CheckOptions options;
    options.allowMissingBefore = allowMissingBefore;
    auto report = checkDelivery(dir_.path(), dir_ / "out", options);
    EXPECT_TRUE(report.ok());
    return *report;
  }
  CheckReport checkRecords(bool allowMissingBefore = false) {
    write("app.log", all());
    return check(allowMissingBefore);
  }
  // The report holds this problem, so often, and no other.
  static void expectOnly(const CheckReport& report, Problem problem, uint64_t count) {
    for (size_t i = 0; i < kProblems; ++i) {
      EXPECT_EQ(report.counts[i], i == static_cast<size_t>(problem) ? count : 0)
          << report.toString();
    }
    EXPECT_FALSE(report.clean());
  }

  test::TempDir dir_;
  std::vector<Delivered> records_;
};

std::string zstdFrame(std::string_view bytes) {
  std::string packed(ZSTD_compressBound(bytes.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), bytes.data(), bytes.size(), 1));
  return packed;
}

TEST_F(PodcheckTest, IsCleanWhenEachLineIsThereOnce) {
  const CheckReport report = checkRecords();
  EXPECT_TRUE(report.clean()) << report.toString();
  EXPECT_EQ(report.delivered, 2 * kLines);
  EXPECT_EQ(report.written, 2 * kLines);
}

TEST_F(PodcheckTest, ReadsConcatenatedZstdFrames) {
  const std::string bytes = all();
  write("app.log.zst", zstdFrame(bytes.substr(0, 700)) + zstdFrame(bytes.substr(700)));
  EXPECT_TRUE(check().clean());
}

TEST_F(PodcheckTest, ReadsFramesLargerThanItsBuffers) {
  records_[0].message.clear();
  LineId id{"api-1", "app", 0, 'o', 0, 1};
  appendLine(records_[0].message, LineShape::kText, id, 5'000'000, 1);
  write("app.log.zst", zstdFrame(all()));
  EXPECT_TRUE(check().clean());
}

TEST_F(PodcheckTest, FindsAMissingLine) {
  records_.erase(records_.begin() + 4);
  const CheckReport report = checkRecords();
  expectOnly(report, Problem::kMissing, 1);
  EXPECT_NE(report.toString().find("shop/api-1/app r=0 stdout seq 2"), std::string::npos);
}

TEST_F(PodcheckTest, FindsAllMissingWhenNothingWasDelivered) {
  expectOnly(check(), Problem::kMissing, 2 * kLines);
}

TEST_F(PodcheckTest, FindsALineDeliveredTwice) {
  records_.push_back(records_[3]);
  records_.back().id = "other";
  expectOnly(checkRecords(), Problem::kDuplicated, 1);
}

TEST_F(PodcheckTest, FindsAnIdentityUsedTwice) {
  records_[3].id = records_[5].id;
  expectOnly(checkRecords(), Problem::kSameId, 1);
}

TEST_F(PodcheckTest, FindsATornLine) {
  records_[11].message.pop_back();
  const CheckReport report = checkRecords();
  EXPECT_EQ(report.count(Problem::kTorn), 1U);
  EXPECT_EQ(report.count(Problem::kMissing), 1U);
}

TEST_F(PodcheckTest, TakesALineCutAtTheLimitForDelivered) {
  records_[5].message.resize(120);
  records_[5].truncated = true;
  const CheckReport report = checkRecords();
  EXPECT_TRUE(report.clean()) << report.toString();
  EXPECT_EQ(report.cut, 1U);
}

TEST_F(PodcheckTest, FindsLinesOutOfOrderInAFile) {
  std::swap(records_[2], records_[4]);
  expectOnly(checkRecords(), Problem::kOutOfOrder, 1);
}

TEST_F(PodcheckTest, FindsLinesOutOfOrderOverFiles) {
  std::string first;
  std::string second;
  for (size_t i = 0; i < records_.size(); ++i) (i % 4 < 2 ? first : second) += toJson(records_[i]);
  write("app.log", first);
  write("app.log.1", second);
  expectOnly(check(), Problem::kOutOfOrder, 2);
}

TEST_F(PodcheckTest, TakesFilesInWhateverOrderTheirNamesHave) {
  std::string first;
  std::string second;
  for (size_t i = 0; i < records_.size(); ++i) (i < 6 ? first : second) += toJson(records_[i]);
  write("b.log", first);
  write("a.log", second);
  EXPECT_TRUE(check().clean());
}

TEST_F(PodcheckTest, FindsARecordUnderAnotherPod) {
  records_[1].pod = "api-2";
  expectOnly(checkRecords(), Problem::kMislabelled, 1);
}

TEST_F(PodcheckTest, FindsARecordOfTheOtherChannel) {
  records_[1].channel = "stdout";
  expectOnly(checkRecords(), Problem::kMislabelled, 1);
}

TEST_F(PodcheckTest, FindsALineNobodyWrote) {
  records_.push_back(make('o', kLines));
  expectOnly(checkRecords(), Problem::kUnknown, 1);
}

TEST_F(PodcheckTest, FindsAForeignRecord) {
  records_.push_back({"hello", "x", "stdout", "api-1", false});
  expectOnly(checkRecords(), Problem::kForeign, 1);
}

TEST_F(PodcheckTest, FindsDamagedFiles) {
  write("app.log", all());
  write("cut.log", R"({"time":)");
  write("bad.zst", "no frame");
  write("torn.zst", zstdFrame("x\n").substr(0, 8));
  write("text.log", "no json\n");
  expectOnly(check(), Problem::kUnreadable, 4);
}

TEST_F(PodcheckTest, ExcusesWhatCameBeforeATailStart) {
  records_.erase(records_.begin(), records_.begin() + 5);
  EXPECT_FALSE(checkRecords().clean());
  const CheckReport report = check(true);
  EXPECT_TRUE(report.clean()) << report.toString();
  EXPECT_EQ(report.skipped, 5U);
}

TEST_F(PodcheckTest, ExcusesOnlyWhatWasBelowAFloor) {
  records_.erase(records_.begin(), records_.begin() + 6);  // sequences 0 to 2 of both channels
  write("app.log", all());
  CheckOptions options;
  options.floors = {{{"api-1", "app", 0, 'o'}, 3}, {{"api-1", "app", 0, 'e'}, 2}};
  const CheckReport report = *checkDelivery(dir_.path(), dir_ / "out", options);
  EXPECT_EQ(report.excused, 5U);
  expectOnly(report, Problem::kMissing, 1);
}

TEST_F(PodcheckTest, ChecksEachLineOfAJoinedRecord) {
  records_[0].message += "\n" + records_[2].message;
  records_.erase(records_.begin() + 2);
  EXPECT_TRUE(checkRecords().clean());
}

}  // namespace
}  // namespace logtail::bench
