#pragma once
// The spool: copies of generations that rotation is about to delete before they were acknowledged.
//
// Flow: StreamTailer holds a rotated file -> copy() at its final end -> open() while or after the
// file itself is gone -> remove() once its end is acknowledged. Files: STATE/spool/<stream key,
// hex>/ <fingerprint, hex>-<epoch>-<from>.spool, format in spool_file.h. Crash promise: once copy()
// returned ok the copy survives whole; before that it is not there at all. A removal may be undone
// by a crash: the ledger then says that it was acknowledged, remove it again. Owned by a tail
// worker (or the agent's main); `files` must outlive it. Thread: one at a time. A copy that fails
// leaves nothing behind; the held descriptor is still the source.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "agent/spool_file.h"
#include "common/base/file_system.h"

namespace logtail::agent {

struct SpooledGeneration {
  SpoolHeader header;
  std::string path;
  uint64_t diskBytes = 0;
};

class Spool {
 public:
  using Key = std::pair<event::StreamKey, event::GenerationId>;
  using Copies = std::map<Key, SpooledGeneration>;

  struct Counts {
    uint64_t copies = 0;
    uint64_t copiedBytes = 0;  // of logs
    uint64_t failedCopies = 0;
    uint64_t removed = 0;
    uint64_t damagedFiles = 0;  // set aside, or not readable, at load()
    uint64_t leftovers = 0;     // unfinished ones, removed at load()
  };

  // Which streams' copies are this one's: those whose key gives `index`, of `workers` spools that
  // share the directory.
  struct Share {
    unsigned index = 0;
    unsigned workers = 1;
    bool has(const event::StreamKey& key) const { return key.hash.low % workers == index; }
  };

  Spool(base::FileSystem& files, std::string directory);  // STATE/spool
  Spool(base::FileSystem& files, std::string directory, Share share);

  // Finds what is there. kTooNew when any file is of a newer version: then nothing was touched. A
  // file with a damaged header is renamed to `….damaged`, counted, and removed by the next load().
  base::Status load();

  // Copies `source` from `header.from` to its end. A copy of the generation that already reaches
  // back as far is kept and returned. kPushBack when the disk is full, kNotFound when there is
  // nothing behind `from`. Reads and syncs: takes as long as the file is long.
  base::Result<const SpooledGeneration*> copy(SpoolHeader header, LogFile& source);

  // --- copy() in three steps, the long one on any thread, beside everything else here ---
  SpooledGeneration begin(SpoolHeader header) const;
  static base::Status write(base::FileSystem& files, SpooledGeneration& copy, LogFile& source);
  base::Result<const SpooledGeneration*> finish(SpooledGeneration copy,
                                                const base::Status& written);

  // Null when there is none; the pointer lives until that copy is removed or replaced.
  const SpooledGeneration* find(const event::StreamKey& stream,
                                const event::GenerationId& generation) const;
  base::Result<std::unique_ptr<LogFile>> open(const SpooledGeneration& copy) const;
  // Unknown ones are fine. An open LogFile of it stays readable.
  base::Status remove(const event::StreamKey& stream, const event::GenerationId& generation);

  const Copies& copies() const { return copies_; }  // by stream
  uint64_t diskBytes() const { return diskBytes_; }
  const Counts& counts() const { return counts_; }

 private:
  struct Found {
    std::string path;
    bool isMine = true;
  };
  base::Result<std::vector<Found>> listFiles() const;
  void loadFile(const std::string& path);
  void insert(SpooledGeneration copy);

  base::FileSystem& files_;
  const std::string directory_;
  const Share share_;
  Copies copies_;
  uint64_t diskBytes_ = 0;
  Counts counts_;
};

}  // namespace logtail::agent
