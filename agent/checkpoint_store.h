#pragma once
// The agent's durable state: how far each stream is acknowledged, and by which queue.
//
// Flow: ACK -> acknowledged() -> (at most once an interval) state() -> write(). One file,
// STATE/checkpoint, replaced as a whole; format below. Owned by the agent's main; `files` and
// `clock` must outlive it. Thread: one at a time (the network thread, once Shipper runs); write()
// may run beside it. Failure: a damaged entry costs only itself and is counted; a newer format is
// kTooNew and is not touched; a failed write leaves the old state and is tried again.
//
//   checkpoint := "LTCKPT01" u32 version=1 u32 entries u32 crc    crc over all before it
//                 entry*
//   entry      := "LTCE" u32 length u32 crc payload[length]       crc over length and payload
//   payload    := u8 1 u128 key u8 flags(1 ended) u64 queue_id bytes description resume
//               | u8 2 bytes last_stats

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/file_system.h"
#include "common/event/resume.h"
#include "common/event/stream.h"

namespace logtail::agent {

class CheckpointStore {
 public:
  static constexpr uint32_t kVersion = 1;
  static constexpr base::Nanos kInterval = std::chrono::seconds(1);

  struct Entry {
    std::string description;  // encoded event::StreamDescription
    uint64_t queueId = 0;     // that acknowledged `resume`; 0: nothing is acknowledged, not stored
    event::Resume resume;
    bool ended = false;  // read and acknowledged to its end; the aggregator is still to be told
  };

  CheckpointStore(base::FileSystem& files, base::Clock& clock, std::string directory);

  // Reads what is there. An error (kTooNew, an unreadable disk) leaves it empty and the file as it
  // is.
  base::Status load();
  bool fresh() const { return fresh_; }  // there was no state: the first start on this directory
  uint64_t damagedEntries() const { return damagedEntries_; }

  const Entry* find(const event::StreamKey& key) const;
  void forEach(const std::function<void(const event::StreamKey&, const Entry&)>& visit) const;
  // The encoded STATS body of the newest call; survives with the checkpoint.
  const std::string& lastStats() const { return lastStats_; }
  void setLastStats(std::string body);

  // A stream is followed; its entry is stored from its first acknowledgement on.
  void describe(const event::StreamKey& key, std::string description);
  // A block is durable in the queue: the only way forward but adopt().
  void acknowledged(const event::BlockHeader& block, uint64_t queueId);
  // What the ledger of that queue holds durably, told by STREAM_OK `known`: it wins.
  void adopt(const event::StreamKey& key, uint64_t queueId, const event::Resume& resume);
  void markEnded(const event::StreamKey& key);
  void forget(const event::StreamKey& key);

  // --- writing: begin, write() anywhere, finish; or save() for all three ---
  bool dirty() const { return changes_ != savedChanges_; }
  // When the next write is due; none when nothing changed or one is under way.
  std::optional<base::Nanos> dueAt() const;
  struct Snapshot {
    std::string bytes;
    uint64_t changes = 0;
  };
  Snapshot beginSave();
  base::Status write(const Snapshot& snapshot) const;
  void finishSave(const Snapshot& snapshot, const base::Status& status);
  base::Status save();

  std::string path() const { return directory_ + "/checkpoint"; }

 private:
  base::Status decode(std::string_view bytes);
  bool decodeEntry(std::string_view payload);

  base::FileSystem& files_;
  base::Clock& clock_;
  const std::string directory_;
  std::map<event::StreamKey, Entry> entries_;
  std::string lastStats_;
  bool fresh_ = true;
  uint64_t damagedEntries_ = 0;
  uint64_t changes_ = 0;       // counted up by each change
  uint64_t savedChanges_ = 0;  // as of the newest write that succeeded
  unsigned saving_ = 0;        // writes under way
  base::Nanos notBefore_{};
};

}  // namespace logtail::agent
