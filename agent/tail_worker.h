#pragma once
// One tail worker: a thread with a libuv loop that owns a share of the node's streams, from inotify
// to compressed unit.
//
// Flow: InotifyWatcher -> StreamRegistry (which streams) -> ReadSchedule (whose turn, one slab
// each)
// -> StreamTailer -> UnitHandover -> UnitSink. A unit is handed on when it is full, or as soon as
// no stream is dirty: the watcher's batching bounds how often that is. When the sink is full
// nothing is read: the files are the buffer. Owner: AgentApp; sink, budget, clock and file system
// must outlive it. Public functions are for any thread and never wait for the loop. Errors of
// single files are counted (TailCounts), never fatal.

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "agent/disk_keeper.h"
#include "agent/inotify_watcher.h"
#include "agent/stream_tailer.h"
#include "agent/tail_worker_counts.h"
#include "agent/unit_sink.h"
#include "common/event/resume.h"
#include "common/wire/messages.h"

namespace logtail::agent {

struct TailWorkerOptions {
  std::string logRoot;  // has containers/ and pods/
  std::string cluster;
  std::string node;
  unsigned index = 0;  // of `workers`: which share of the streams is this one's
  unsigned workers = 1;
  size_t maxLine = 128 * 1024;
  size_t slabBytes = 256 * 1024;
  int compressionLevel = 1;
  StartAt startAt = StartAt::kHead;
  InotifyWatcher::Options watching;
  base::Nanos grace = std::chrono::seconds(1);
  base::Nanos safetyScan = std::chrono::seconds(30);
  uint64_t readBytesPerSecond = 0;  // 0: no cap
  uint32_t configEpoch = 1;
  size_t openFiles =
      std::numeric_limits<size_t>::max();  // at a time; idle ones are closed for others
  DiskOptions disk;
  // What the checkpoint knows and is not at its end: streams whose containers went while nobody was
  // looking must be told as lost, and ended.
  std::vector<event::StreamDescription> knownStreams;
};

class TailWorker {
 public:
  TailWorker(TailWorkerOptions options, UnitSink& sink, base::MemoryBudget& budget,
             base::Clock& clock);
  ~TailWorker();  // stops
  TailWorker(const TailWorker&) = delete;
  TailWorker& operator=(const TailWorker&) = delete;

  // What a worker reserves when it is made, for as long as it lives; streams and units come on top.
  static uint64_t fixedBytes(size_t slabBytes);

  // kFixInput when that was not to be had, kTooNew when the spool has a copy of a newer version.
  base::Status start();
  // Reads what is there now to its end, hands the last unit on, then calls `done` on the worker's
  // thread and reads no more.
  void drain(std::function<void()> done);
  // Something is not acknowledged: copies what would not be there at the next start to the spool,
  // then calls `done` on the worker's thread.
  void keepRest(std::function<void()> done);
  void stop();

  // The ledger's answer to UnitSink::announce(). `firstEver`: this node is new to agent and
  // aggregator, so that files which were there before are read from where the configuration says.
  void resume(const event::StreamKey& key, event::Resume resume,
              std::optional<event::Resume> doubtful, bool firstEver);
  // Those of other workers' streams are passed over.
  void acknowledged(AckedBlocks blocks);
  void room();
  // The stream belongs to another node: it is not followed any more.
  void forbidden(const event::StreamKey& key);
  // A new life: forgets every position, then calls `done` on the worker's thread. The streams stay
  // announced.
  void reset(std::function<void()> done);
  // Calls `use` on the worker's thread with every stream whose numbers changed since the last call.
  void collectStats(std::function<void(std::vector<wire::StreamStats>)> use);

  const TailWorkerCounts& counts() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace logtail::agent
