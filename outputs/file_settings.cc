#include "outputs/file_settings.h"

#include "outputs/path_template.h"

namespace logtail::outputs {
namespace {

std::optional<config::Problem> checkPaths(const FileSettings& settings) {
  if (!settings.directory.starts_with('/') || settings.directory.find('\0') != std::string::npos) {
    return config::Problem{"directory", settings.directory, "an absolute path"};
  }
  const auto path = PathTemplate::parse(settings.path);
  if (!path.ok()) return config::Problem{"path", settings.path, path.message()};
  const std::string suffix = settings.compress == Compression::kZstd ? ".zst" : "";
  const auto named = PathTemplate::parse(settings.path + suffix);
  if (named.ok()) return std::nullopt;
  return config::Problem{"path", settings.path, named.message() + " with " + suffix + " behind it"};
}

config::Table<FileSettings> makeTable() {
  using namespace std::chrono_literals;
  using namespace base::literals;
  config::Table<FileSettings> table("file", "JSON lines in files, each record exactly once.");
  table.include(outputSettingsTable());
  table
      .value("directory", &FileSettings::directory,
             "Absolute path of the directory below which all files lie.")
      .required()
      .range(1, 512);
  table
      .value("path", &FileSettings::path,
             "Path below `directory`, of {namespace} {pod} {pod_uid} {container} {restart} {node} "
             "{cluster} {date} {hour}; date and hour are the record's, UTC.")
      .range(1, PathTemplate::kMaxText);
  table.choice("compress", &FileSettings::compress,
               "zstd: compressed as it is written, .zst appended to the names.",
               {{"none", Compression::kNone}, {"zstd", Compression::kZstd}});
  table.value("level", &FileSettings::level, "Level of the compression.").range(1, 19);
  table.value("dedot", &FileSettings::dedot,
              "Dots in the keys of labels and annotations become underscores.");
  table
      .value("rotate_size", &FileSettings::rotateSize, "A file that would grow beyond it is final.")
      .range(64_KiB, 1_TiB);
  table.value("rotate_age", &FileSettings::rotateAge, "A file older than this is final.")
      .range(1s, 24h * 365);
  table
      .value("close_idle", &FileSettings::closeIdle,
             "A file that got nothing for this long is final and forgotten.")
      .range(1s, 24h * 30);
  table
      .value(
          "commit_age", &FileSettings::commitAge,
          "Records are committed, files synced and the cursor moved, after this long; later, up to "
          "30s, when syncing would take more than a fifth of the time.")
      .range(1ms, 60s);
  table.value("commit_size", &FileSettings::commitSize, "Or after so many bytes of records.")
      .range(64_KiB, 1_GiB);
  table.value("buffer", &FileSettings::buffer, "Memory for lines that wait to be written.")
      .range(1_MiB, 4_GiB);
  table.value("open_files", &FileSettings::openFiles, "Most descriptors held open.")
      .range(1, 65'536);
  table
      .value("known_files", &FileSettings::knownFiles,
             "Most files that are not final; beyond it the longest idle one becomes final.")
      .range(16, 1'000'000);
  table.rule(checkPaths);
  return table;
}

}  // namespace

const config::Table<FileSettings>& fileSettingsTable() {
  static const config::Table<FileSettings> kTable = makeTable();
  return kTable;
}

}  // namespace logtail::outputs
