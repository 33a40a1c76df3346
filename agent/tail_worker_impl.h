#pragma once
// TailWorker's inside: what its two source files share. tail_worker_streams.cc follows containers
// and files, tail_worker.cc reads and takes what the aggregator says.

#include <uv.h>

#include <mutex>

#include "agent/container_directory.h"
#include "agent/disk_keeper.h"
#include "agent/event_loop.h"
#include "agent/gzip_log_file.h"
#include "agent/read_schedule.h"
#include "agent/stream_registry.h"
#include "agent/tail_worker.h"
#include "agent/unit_handover.h"

namespace logtail::agent {

inline constexpr size_t kInflaters = 4;  // compressed files that are read at a time

class TailWorker::Impl final : public WatchEvents {
 public:
  Impl(TailWorkerOptions options, UnitSink& sink, base::MemoryBudget& budget, base::Clock& clock)
      : options_(std::move(options)),
        sink_(sink),
        budget_(budget),
        clock_(clock),
        fixedMemory_(budget.reserve(TailWorker::fixedBytes(options_.slabBytes))),
        handover_(options_.compressionLevel, sink, budget, counts_),
        schedule_(options_.readBytesPerSecond),
        slab_(std::make_unique_for_overwrite<char[]>(options_.slabBytes)),
        containers_(options_.logRoot + "/containers"),
        disk_(options_.disk, options_.logRoot, {options_.index, options_.workers}, budget_, counts_,
              [this] { lookAtDiskSoon(); }),
        inflaters_(kInflaters),
        descriptors_{options_.openFiles, 0},
        context_{handover_.writer(),
                 {slab_.get(), options_.slabBytes},
                 tails_,
                 clock_,
                 tailCounts_,
                 options_.configEpoch,
                 options_.grace,
                 &inflaters_,
                 &descriptors_,
                 [](void* self) { static_cast<Impl*>(self)->letFilesRest(); },
                 [](void* self) { return static_cast<Impl*>(self)->handover_.seal(); },
                 this} {}

  base::Status start();

  void stop() {
    loop_.stop([this] { close(); });
  }

  void post(std::function<void()> task) { loop_.post(std::move(task)); }
  void acknowledged(AckedBlocks blocks);

  // --- WatchEvents ---
  void onDirectoryDirty(uint32_t cookie, bool namesChanged) override;
  void onOverflow() override;
  void onDrained() override;
  void onUnwatched(uint32_t cookie, const std::string& why) override;

  // --- posted ---
  void resume(const event::StreamKey& key, const event::Resume& resume,
              const event::Resume* doubtful, bool firstEver);
  void takeAcknowledged();
  void unblock();
  void reset(const std::function<void()>& done);
  void drain(std::function<void()> done);
  void keepRest(const std::function<void()>& done);
  void forbidden(const event::StreamKey& key);
  void collectStats(const std::function<void(std::vector<wire::StreamStats>)>& use);

  const TailWorkerCounts& counts() const { return counts_; }

 private:
  void open();
  void close();
  void watchRoot();
  void lookAtEverything();
  void scanContainers();
  bool isMine(const event::StreamKey& key) const {
    return key.hash.low % options_.workers == options_.index;
  }
  event::StreamDescription describe(const ContainerLog& log) const;
  // kNo: another worker's, or followed already.
  enum class Added : uint8_t { kYes, kNo, kNoMemory };
  Added add(const event::StreamDescription& description, const std::string& directory);
  void waitForMemory(const ContainerLog& log);
  void addKnown(std::vector<event::StreamDescription>& known);
  void markGone(const ContainerLog& log);
  void endStream(FollowedStream& stream);
  void work();
  void turn(FollowedStream& stream);
  void afterWork();
  void wake();
  void wakeBy(base::Nanos when);
  void lookAtDisk();
  void lookAtDiskSoon();
  void startDiskTimer(base::Nanos first);
  bool letFilesRest();
  void openAfterRest();
  void openWhatWaits();
  void publishCounts();

  const TailWorkerOptions options_;
  UnitSink& sink_;
  base::MemoryBudget& budget_;
  base::Clock& clock_;
  TailWorkerCounts counts_;

  // Loop thread only, from here on.
  base::MemoryBudget::Reservation fixedMemory_;
  UnitHandover handover_;
  ReadSchedule schedule_;
  std::unique_ptr<char[]> slab_;
  TailCache tails_;
  TailCounts tailCounts_;
  AssemblerCounts assemblerCounts_;
  parsers::CriTimeCache timeCache_;
  ContainerDirectory containers_;
  DiskKeeper disk_;
  InflaterPool inflaters_;
  DescriptorQuota descriptors_;
  base::Nanos nextRest_{};
  bool filesWait_ = false;  // for others to rest, which can be as soon as they are acknowledged
  TailContext context_;
  std::unique_ptr<InotifyWatcher> watcher_;  // from open() to close()
  std::unique_ptr<StreamRegistry> streams_;  // the same
  uv_timer_t wakeTimer_{};
  uv_timer_t scanTimer_{};
  uv_timer_t diskTimer_{};
  uv_idle_t idle_{};
  std::vector<event::StreamDescription> spooledStreams_;  // until the first scan
  std::vector<event::StreamDescription> knownStreams_;    // until a scan found any container
  std::optional<base::Nanos> wakeAt_;
  bool containersDirty_ = false;
  bool rootWatched_ = false;
  bool rootMissed_ = false;  // it was told
  bool starting_ = true;
  bool finished_ = false;
  std::function<void()> drained_;
  std::vector<wire::StreamStats> endedStats_;

  std::mutex ackMutex_;
  std::vector<AckedBlocks> acked_;  // by ackMutex_: not looked at yet
  bool ackPosted_ = false;          // by ackMutex_

  EventLoop loop_;  // last: its thread uses all of the above
};

}  // namespace logtail::agent
