#pragma once
// Reading a configuration file by its table.
//
//   auto config = config::load(agentTable(), path, base::posixFileSystem());
//   if (!config) { std::cerr << config.message() << "\n"; return 2; }
//
// Every failure is kFixInput with one line: `file:line: path: value "x": expected y`. Any thread.

#include <string>
#include <string_view>

#include "common/base/file_system.h"
#include "common/config/table.h"

namespace logtail::config {

// The bytes of a configuration file; kFixInput when it cannot be read or is larger than
// kMaxFileSize.
base::Result<std::string> readConfigFile(base::FileSystem& files, const std::string& path);

template <typename T>
base::Result<T> parse(const Table<T>& table, std::string_view yaml, const std::string& fileName,
                      const Environment& environment = processEnvironment()) {
  auto document = parseDocument(yaml, fileName, environment);
  if (!document) return document.error();
  T config{};
  LOGTAIL_TRY(table.read(Place{fileName, ""}, *document, config));
  return config;
}

template <typename T>
base::Result<T> load(const Table<T>& table, const std::string& path, base::FileSystem& files,
                     const Environment& environment = processEnvironment()) {
  auto yaml = readConfigFile(files, path);
  if (!yaml) return yaml.error();
  return parse(table, *yaml, path, environment);
}

}  // namespace logtail::config
