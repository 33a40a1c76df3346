#pragma once
// JSON lines in files, each delivered record exactly once, whatever crashes.
//
// Flow: OutputRunner -> take() -> lines in FileTargets -> group commit -> Manifest. The manifest is
// the cursor: a commit is written after the data it names was synced, and holds position, lengths
// and counts in one piece. What lies behind a committed length is cut at the next start. Deliveries
// of a group fire when its commit is durable. Owned by its runner, on its thread; progress of the
// cursor from any. Any error (disk full, failed sync) lets go of the group: start() goes back to
// the last commit as after a crash, and a file whose sync failed is never written to again.
// Format, guarantees, failures: docs/outputs/file.md.

#include <string>
#include <unordered_map>
#include <vector>

#include "outputs/file_recovery.h"
#include "outputs/file_targets.h"
#include "outputs/json_encoder.h"
#include "outputs/output.h"
#include "outputs/path_template.h"

namespace logtail::outputs {

class FileOutput final : public Output {
 public:
  // kFixInput when the path template is wrong.
  static base::Result<std::unique_ptr<FileOutput>> make(const FileSettings& settings,
                                                        OutputContext context);

  base::Status start() override;
  Manifest* cursor() override { return &manifest_; }
  void take(BatchPtr batch, Delivery delivery) override;
  std::optional<base::Nanos> turn() override;
  void drain() override;
  void stop() override;
  void forget(const std::vector<event::StreamKey>& streams) override;
  uint64_t memoryBytes() const override { return settings_.buffer.count; }

  // For tests.
  const FileTargets& targets() const { return targets_; }
  Manifest& manifest() { return manifest_; }

 private:
  // What is rendered once for a stream.
  struct Stream {
    std::shared_ptr<const event::StreamDescription> description;
    std::string suffix;
    PathTemplate::Span span{0, 0};  // for which `target` holds
    uint64_t generation = 0;        // of the targets
    FileTargets::Target* target = nullptr;
  };

  // What was taken since the last commit.
  struct Group {
    std::vector<Delivery> deliveries;
    ManifestChange change;
    uint64_t bytes = 0;
    base::Nanos began{};
    bool open() const { return !deliveries.empty() || !change.forget.empty(); }
  };

  struct Metrics {
    explicit Metrics(const OutputContext& context);
    metrics::Counter& commits;
    metrics::Counter& created;
    metrics::Counter& finished;
    metrics::Counter& written;
    metrics::Counter& failures;
    metrics::Counter& cutBytes;
    metrics::Counter& leftFiles;
    metrics::Counter& removedFiles;
    metrics::Counter& damagedRegions;
    metrics::Counter& tornBytes;
    metrics::Counter& uncertain;
  };

  FileOutput(const FileSettings& settings, PathTemplate path, OutputContext context);

  base::Status restart();
  Stream& streamOf(const Block& block);
  void retarget(Stream& stream, int64_t timeNanos);
  base::Status write(const Block& block);
  base::Status commit();
  void fail(const base::Status& why);
  void letGo(const std::string& why);
  void count();
  base::Nanos commitAge() const;

  static constexpr size_t kMaxStreams = 16'384;
  static constexpr base::Nanos kMaxStretch = std::chrono::seconds(30);

  const FileSettings settings_;
  const PathTemplate path_;
  const OutputContext context_;
  Manifest manifest_;
  FileTargets targets_;
  JsonEncoder encoder_;
  std::unordered_map<event::StreamKey, Stream, event::StreamKeyHash> streams_;
  Group group_;
  base::Nanos lastCommitTook_{};
  FileTargets::Counts counted_;  // of targets_, already in metrics_
  bool broken_ = true;           // until start() went through
  std::string why_;
  Metrics metrics_;
};

}  // namespace logtail::outputs
