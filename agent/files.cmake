# The file side: what there is to read, reading it, and keeping what rotation is about to delete.
logtail_library(logtail_agent_files
  SOURCES container_directory.cc container_path.cc disk_budget.cc fingerprint.cc gzip_log_file.cc
          inotify_watcher.cc log_directory.cc log_file.cc rotation_rate.cc spool.cc spool_file.cc
  DEPS logtail_event PkgConfig::libuv PkgConfig::isal)
