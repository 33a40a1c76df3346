#include "outputs/file_output.h"

#include <algorithm>

#include "common/base/checksum.h"
#include "common/base/log.h"
#include "outputs/queue_cursor.h"

namespace logtail::outputs {

using base::Nanos;
using base::Result;
using base::Status;

FileOutput::Metrics::Metrics(const OutputContext& context)
    : commits(context.metrics->counter("logtail_output_commits_total", "Durable commits.",
                                       {{"output", context.id}})),
      created(context.metrics->counter("logtail_output_files_created_total", "Files begun.",
                                       {{"output", context.id}})),
      finished(context.metrics->counter("logtail_output_files_finished_total", "Files made final.",
                                        {{"output", context.id}})),
      written(context.metrics->counter("logtail_output_written_bytes_total",
                                       "Bytes written, as stored.", {{"output", context.id}})),
      failures(context.metrics->counter("logtail_output_failures_total",
                                        "Groups let go for an error and read again.",
                                        {{"output", context.id}})),
      cutBytes(context.metrics->counter("logtail_output_cut_bytes_total",
                                        "Uncommitted bytes cut off at a start.",
                                        {{"output", context.id}})),
      leftFiles(context.metrics->counter("logtail_output_files_left_total",
                                         "Files somebody else changed, left as they are.",
                                         {{"output", context.id}})),
      removedFiles(context.metrics->counter("logtail_output_files_removed_total",
                                            "Files created but never committed, removed.",
                                            {{"output", context.id}})),
      damagedRegions(context.metrics->counter("logtail_output_manifest_damaged_total",
                                              "Damaged places in the manifest.",
                                              {{"output", context.id}})),
      tornBytes(context.metrics->counter("logtail_output_manifest_torn_bytes_total",
                                         "Bytes cut off the manifest's end.",
                                         {{"output", context.id}})),
      uncertain(context.metrics->counter(
          "logtail_output_manifest_uncertain_total",
          "Starts at which damage hid a commit: records may be there twice.",
          {{"output", context.id}})) {}

Result<std::unique_ptr<FileOutput>> FileOutput::make(const FileSettings& settings,
                                                     OutputContext context) {
  const std::string suffix = settings.compress == Compression::kZstd ? ".zst" : "";
  auto path = PathTemplate::parse(settings.path + suffix);
  if (!path.ok()) return path.error();
  return std::unique_ptr<FileOutput>(
      new FileOutput(settings, std::move(*path), std::move(context)));
}

FileOutput::FileOutput(const FileSettings& settings, PathTemplate path, OutputContext context)
    : settings_(settings),
      path_(std::move(path)),
      context_(std::move(context)),
      manifest_(*context_.files, context_.directory),
      targets_(*context_.files, *context_.clock, settings_, manifest_),
      metrics_(context_) {}

// A path that cannot be used is a person's to mend, not the configuration's: tried again.
Status FileOutput::start() {
  Status started = restart();
  if (started.ok() || started.code() != base::Errc::kFixInput) return started;
  return {base::Errc::kRetry, started.message()};
}

Status FileOutput::restart() {
  targets_.reset({});  // closes what is open
  streams_.clear();
  ManifestReport manifest;
  auto state = manifest_.load(manifest);
  if (!state.ok()) return state.error();
  LOGTAIL_TRY(context_.files->createDirectories(context_.directory));
  LOGTAIL_TRY(context_.files->createDirectories(settings_.directory));
  FileRecovery files;
  const Status recovered = recoverFiles(*context_.files, settings_.directory, targets_.condemned(),
                                        manifest.uncertain, *state, files);
  metrics_.cutBytes.add(files.cutBytes);
  metrics_.leftFiles.add(files.leftFiles);
  metrics_.removedFiles.add(files.removedFiles);
  if (!recovered.ok()) return recovered;
  state->announced.clear();
  startOverForQueue(context_.queueId, context_.id, manifest.uncertain, *state);
  LOGTAIL_TRY(manifest_.begin(*state));
  metrics_.damagedRegions.add(manifest.damagedRegions);
  metrics_.tornBytes.add(manifest.tornBytes);
  metrics_.uncertain.add(manifest.uncertain ? 1 : 0);
  targets_.forgetCondemned();
  targets_.reset(*state);
  broken_ = false;
  return {};
}

void FileOutput::retarget(Stream& stream, int64_t timeNanos) {
  stream.span = path_.spanAround(timeNanos);
  stream.target = &targets_.find(path_.render(*stream.description, timeNanos));
  stream.generation = targets_.generation();
}

FileOutput::Stream& FileOutput::streamOf(const Block& block) {
  if (streams_.size() >= kMaxStreams && !streams_.contains(block.header.stream)) streams_.clear();
  Stream& stream = streams_[block.header.stream];
  if (stream.description != block.stream) {
    stream.description = block.stream;
    stream.suffix = renderSuffix(*block.stream, settings_.dedot);
    stream.target = nullptr;
  }
  if (stream.generation != targets_.generation()) stream.target = nullptr;
  return stream;
}

// Sums what it writes, record by record: the audit compares that with what was sent.
Status FileOutput::write(const Block& block) {
  Stream& stream = streamOf(block);
  Tally& tally = group_.change.counts[block.header.stream][Fate::kDelivered];
  tally.bytes += block.header.recordBytes;
  const uint64_t ownSeed = event::identitySeed(block.header.stream, block.header.generation);
  for (const event::Record& record : block.records) {
    if (stream.target == nullptr || record.timeNanos < stream.span.from ||
        record.timeNanos >= stream.span.to) {
      if (stream.target != nullptr) LOGTAIL_TRY(targets_.wrote(*stream.target));
      retarget(stream, record.timeNanos);
    }
    FileTargets::Target& target = *stream.target;
    targets_.touch(target);
    char* at = target.buffer.reserve(JsonEncoder::maxLine(record, stream.suffix));
    target.buffer.setEnd(
        encoder_.store(block.header.stream, block.header.flags, record, stream.suffix, at));
    const bool foreign = (record.flags & event::kRecordForeign) != 0;
    const uint64_t seed =
        foreign ? event::identitySeed(block.header.stream, record.generation) : ownSeed;
    ++tally.records;
    tally.digest += event::recordDigest(seed, record.offset, record.timeNanos, record.flags,
                                        base::hash64(record.message));
    if (target.buffer.size() >= FileTargets::kChunkBytes) LOGTAIL_TRY(targets_.wrote(target));
  }
  return stream.target == nullptr ? Status() : targets_.wrote(*stream.target);
}

void FileOutput::take(BatchPtr batch, Delivery delivery) {
  if (broken_) return delivery.retry(why_);
  if (!group_.open()) group_.began = context_.clock->steady();
  group_.deliveries.push_back(std::move(delivery));
  for (const Block& block : batch->blocks) {
    if (auto written = write(block); !written.ok()) return fail(written);
  }
  for (const auto& [key, tally] : batch->skipped) {
    group_.change.counts[key][Fate::kSkipped] += tally;
  }
  group_.change.position = batch->after;
  group_.bytes += batch->rawBytes;
  if (group_.bytes < settings_.commitSize.count &&
      targets_.bufferedBytes() < settings_.buffer.count) {
    return;
  }
  if (auto done = commit(); !done.ok()) fail(done);
}

Status FileOutput::commit() {
  const Nanos began = context_.clock->steady();
  LOGTAIL_TRY(targets_.seal(group_.change.files));
  LOGTAIL_TRY(manifest_.commit(group_.change));
  targets_.committed();
  metrics_.commits.add();
  count();
  lastCommitTook_ = context_.clock->steady() - began;
  Group done = std::move(group_);
  group_ = {};
  for (Delivery& delivery : done.deliveries) delivery.delivered();
  return {};
}

void FileOutput::count() {
  const FileTargets::Counts& now = targets_.counts();
  metrics_.created.add(now.created - counted_.created);
  metrics_.finished.add(now.finished - counted_.finished);
  metrics_.leftFiles.add(now.left - counted_.left);
  metrics_.written.add(now.bytesWritten - counted_.bytesWritten);
  counted_ = now;
}

void FileOutput::fail(const Status& why) {
  metrics_.failures.add();
  letGo(why.message());
}

// Lets go of everything that is not committed; start() goes back to the last commit.
void FileOutput::letGo(const std::string& why) {
  broken_ = true;
  why_ = why;
  Group lost = std::move(group_);
  group_ = {};
  group_.change.forget = std::move(lost.change.forget);
  for (Delivery& delivery : lost.deliveries) delivery.retry(why_);
}

// Thousands of files take long to sync: then commits are rarer, so that reading goes on.
Nanos FileOutput::commitAge() const {
  return std::max<Nanos>(settings_.commitAge, std::min(4 * lastCommitTook_, kMaxStretch));
}

std::optional<Nanos> FileOutput::turn() {
  if (broken_) return std::nullopt;
  const Nanos now = context_.clock->steady();
  const auto idle = targets_.idleAt();
  const bool due = group_.open() ? now - group_.began >= commitAge() : idle && *idle <= now;
  if (due) {
    if (auto done = commit(); !done.ok()) {
      fail(done);
      return std::nullopt;
    }
  }
  return group_.open() ? std::optional(group_.began + commitAge()) : targets_.idleAt();
}

void FileOutput::drain() {
  if (broken_ || !group_.open()) return;
  if (auto done = commit(); !done.ok()) fail(done);
}

void FileOutput::stop() {
  drain();
  letGo("the output stopped");
  targets_.reset({});
}

void FileOutput::forget(const std::vector<event::StreamKey>& streams) {
  if (!group_.open()) group_.began = context_.clock->steady();
  auto& forget = group_.change.forget;
  forget.insert(forget.end(), streams.begin(), streams.end());
  for (const event::StreamKey& key : streams) streams_.erase(key);
}

}  // namespace logtail::outputs
