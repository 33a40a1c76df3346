#include "outputs/file_settings.h"

#include <gtest/gtest.h>

#include "common/config/config.h"

namespace logtail::outputs {
namespace {

base::Result<FileSettings> parsed(const std::string& yaml) {
  return config::parse(fileSettingsTable(), yaml, "a.yaml", {});
}

TEST(FileSettings, NeedOnlyTheDirectory) {
  const auto settings = parsed("directory: /var/log/all\n");
  ASSERT_TRUE(settings.ok()) << settings.message();
  EXPECT_EQ(settings->directory, "/var/log/all");
  EXPECT_EQ(settings->path, "{namespace}/{pod}_{container}.log");
  EXPECT_EQ(settings->compress, Compression::kNone);
  EXPECT_EQ(settings->full, FullPolicy::kBlock);
  EXPECT_EQ(settings->rotateSize.count, uint64_t{256} << 20);
}

TEST(FileSettings, TakeEverythingThatIsDocumented) {
  const auto settings = parsed(R"(directory: /logs
path: "{cluster}/{date}/{namespace}.log"
compress: zstd
level: 7
dedot: false
rotate_size: 1GiB
rotate_age: 2h
close_idle: 90s
commit_age: 250ms
commit_size: 4MiB
buffer: 8MiB
open_files: 64
known_files: 1000
full: drop_oldest
from: newest
retry_min: 1s
retry_max: 1m
)");
  ASSERT_TRUE(settings.ok()) << settings.message();
  EXPECT_EQ(settings->path, "{cluster}/{date}/{namespace}.log");
  EXPECT_EQ(settings->compress, Compression::kZstd);
  EXPECT_EQ(settings->level, 7);
  EXPECT_FALSE(settings->dedot);
  EXPECT_EQ(settings->rotateSize.count, uint64_t{1} << 30);
  EXPECT_EQ(settings->rotateAge, std::chrono::hours(2));
  EXPECT_EQ(settings->closeIdle, std::chrono::seconds(90));
  EXPECT_EQ(settings->commitAge, std::chrono::milliseconds(250));
  EXPECT_EQ(settings->commitSize.count, uint64_t{4} << 20);
  EXPECT_EQ(settings->buffer.count, uint64_t{8} << 20);
  EXPECT_EQ(settings->openFiles, 64u);
  EXPECT_EQ(settings->knownFiles, 1000u);
  EXPECT_EQ(settings->full, FullPolicy::kDropOldest);
  EXPECT_EQ(settings->from, FirstStart::kNewest);
  EXPECT_EQ(settings->retryMax, std::chrono::minutes(1));
}

struct RefusedRow {
  const char* name;
  const char* yaml;
  const char* says;
};

const RefusedRow kRefused[] = {
    {"NoDirectory", "path: a.log\n", "directory"},
    {"RelativeDirectory", "directory: logs\n", "directory: value \"logs\": expected an absolute"},
    {"UnknownKey", "directory: /l\ndirectories: /m\n", "directories"},
    {"UnknownField", "directory: /l\npath: \"{pods}.log\"\n", "{pods}"},
    {"LeavesTheDirectory", "directory: /l\npath: ../a.log\n", "no component . or .."},
    {"UnknownCompression", "directory: /l\ncompress: gzip\n", "zstd"},
    {"LevelTooHigh", "directory: /l\nlevel: 20\n", "level"},
    {"SmallRotation", "directory: /l\nrotate_size: 1KiB\n", "rotate_size"},
    {"NoOpenFile", "directory: /l\nopen_files: 0\n", "open_files"},
    {"RetryTheWrongWayRound", "directory: /l\nretry_min: 60s\nretry_max: 1s\n", "retry_max"},
};

class FileSettingsRefused : public testing::TestWithParam<RefusedRow> {};

TEST_P(FileSettingsRefused, NameTheKey) {
  const auto settings = parsed(GetParam().yaml);
  ASSERT_FALSE(settings.ok());
  EXPECT_EQ(settings.code(), base::Errc::kFixInput);
  EXPECT_NE(settings.message().find(GetParam().says), std::string::npos) << settings.message();
}

INSTANTIATE_TEST_SUITE_P(Each, FileSettingsRefused, testing::ValuesIn(kRefused),
                         [](const auto& row) { return row.param.name; });

TEST(FileSettings, APathThatIsTooLongOnlyWithItsSuffixIsRefused) {
  const std::string path = "directory: /l\npath: " + std::string(197, 'a') + "\n";
  EXPECT_TRUE(parsed(path).ok());
  EXPECT_NE(parsed(path + "compress: zstd\n").message().find("200 bytes with .zst behind it"),
            std::string::npos);
}

}  // namespace
}  // namespace logtail::outputs
