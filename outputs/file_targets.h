#pragma once
// The files an output writes to: thousands of targets over few descriptors and little memory.
//
// Flow: FileOutput encodes lines into a target's buffer -> chunks -> seal() -> Manifest::commit.
// A target is a path without rotation; its file is the newest one of it. A file is announced in the
// manifest before it is created. A descriptor is synced before it is closed, so that no write error
// goes unseen. Owned by FileOutput, its thread only; file system, settings and manifest outlive it.
// After an error nothing here is valid any more until reset().

#include <cstdint>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "outputs/chunk_compressor.h"
#include "outputs/file_settings.h"
#include "outputs/manifest.h"
#include "outputs/write_buffer.h"

namespace logtail::outputs {

class FileTargets {
 public:
  static constexpr size_t kChunkBytes = 256 * 1024;  // a target with that much is written out
  static constexpr size_t kSpareBuffers = 16;

  struct Target {
    std::string key;
    WriteBuffer buffer;

   private:
    friend class FileTargets;
    bool hasFile_ = false;  // `file_` names one that is announced or exists
    bool created_ = false;  // by this group: its directory is to be synced
    bool changed_ = false;  // by this group
    bool proven_ = false;   // all of the file was synced by this life
    bool numberKnown_ = false;
    uint32_t nextNumber_ = 0;
    size_t counted_ = 0;  // of buffer's capacity in bufferedBytes_
    FileEntry file_;
    uint64_t written_ = 0;                // bytes of the file, committed or not
    std::unique_ptr<base::File> handle_;  // stays until the file is proven
    std::list<Target*>::iterator open_;   // in open_, while there is a handle
    std::list<Target*>::iterator used_;   // in used_
    base::Nanos lastUse_{};
  };

  struct Counts {
    uint64_t created = 0;
    uint64_t finished = 0;
    uint64_t left = 0;  // changed by somebody else, nothing more to be written to them
    uint64_t syncs = 0;
    uint64_t bytesWritten = 0;  // as stored
  };

  FileTargets(base::FileSystem& files, base::Clock& clock, const FileSettings& settings,
              Manifest& manifest);

  // Forgets everything and takes over what a start found.
  void reset(const ManifestState& state);

  Target& find(const std::string& key);
  // Rises whenever pointers from find() before it may be dangling.
  uint64_t generation() const { return generation_; }

  // Lines are about to go into the target's buffer: it is part of this group.
  void touch(Target& target);
  // They did. Writes the buffer out when it is large.
  base::Status wrote(Target& target);
  uint64_t bufferedBytes() const { return bufferedBytes_; }  // capacity of all buffers

  // Makes the group durable and says what the manifest's commit has to say of files.
  base::Status seal(std::vector<FileEntry>& entries);
  // The commit is durable: the next group begins.
  void committed();

  // When the longest unused file becomes final; nothing without files.
  std::optional<base::Nanos> idleAt() const;

  const std::set<std::string>& condemned() const { return condemned_; }
  void forgetCondemned() { condemned_.clear(); }
  const Counts& counts() const { return counts_; }
  size_t openFiles() const { return open_.size(); }
  size_t size() const { return targets_.size(); }

 private:
  std::string pathOf(const FileEntry& file) const {
    return settings_.directory + "/" + filePath(file.target, file.number);
  }
  base::Status announceMissing();
  base::Status create(Target& target);
  // kQuarantine when the file is not as this output left it.
  base::Status checkUnchanged(const Target& target);
  base::Status open(Target& target);
  base::Status makeRoom();
  void close(Target& target);
  base::Status flush(Target& target);
  base::Status syncOpen();
  base::Status synced(Target& target, const base::Status& answer);
  base::Status prove(Target& target);
  base::Status finish(Target& target);
  std::vector<Target*> findIdle() const;
  base::Status finishIdle();
  void leave(Target& target, const std::string& why);
  void takeBuffer(Target& target);
  bool isOld(const Target& target) const;

  base::FileSystem& files_;
  base::Clock& clock_;
  const FileSettings& settings_;
  Manifest& manifest_;
  ChunkCompressor compressor_;
  std::unordered_map<std::string, std::unique_ptr<Target>> targets_;
  std::list<Target*> open_;  // with a descriptor, longest unused first
  std::list<Target*> used_;  // all, longest unused first
  std::vector<Target*> changed_;
  std::vector<FileEntry> finished_;  // by this group
  std::vector<Target*> idle_;        // finished for being idle: gone with the commit
  std::set<std::string> newDirectories_;
  std::set<std::string> condemned_;  // paths whose sync failed
  std::vector<WriteBuffer> spare_;   // warm ones of the group before
  uint64_t bufferedBytes_ = 0;
  uint64_t generation_ = 0;
  Counts counts_;
};

}  // namespace logtail::outputs
