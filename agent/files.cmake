# The file side: what there is to read, and reading it.
logtail_library(logtail_agent_files
  SOURCES container_directory.cc fingerprint.cc gzip_log_file.cc inotify_watcher.cc log_directory.cc
          log_file.cc
  DEPS logtail_event PkgConfig::libuv PkgConfig::isal)
