#include "outputs/output_runner.h"

#include <algorithm>
#include <condition_variable>

#include "common/base/log.h"
#include "common/base/random.h"
#include "outputs/queue_cursor.h"

namespace logtail::outputs {
namespace {

using base::Errc;
using base::Nanos;
using base::Status;

constexpr Nanos kOwnCommitAge = std::chrono::seconds(1);

// Permissions and the like may be put right while it runs.
bool isFinal(Errc code) {
  return code == Errc::kTooNew;
}

// Between half of `wait` and all of it, so that outputs do not come back in step.
Nanos withJitter(Nanos wait) {
  const auto half = static_cast<uint64_t>(wait.count() / 2);
  return Nanos(static_cast<int64_t>(half + base::randomId() % (half + 1)));
}

}  // namespace

struct OutputRunner::Mailbox {
  std::mutex mutex;
  std::condition_variable changed;
  uint64_t events = 0;  // anything that the runner may wait for
  bool stopping = false;
  bool draining = false;
  uint64_t skipThrough = 0;
  std::vector<Finished> finished;
  std::vector<event::StreamKey> forgotten;
  std::optional<std::string> problem;

  void signal() {
    ++events;
    changed.notify_all();
  }
  void signalLocking() {
    const std::lock_guard lock(mutex);
    signal();
  }
};

OutputRunner::Metrics::Metrics(metrics::Registry& registry, const std::string& id)
    : records(registry.counter("logtail_output_records_total", "Records handed to the output.",
                               {{"output", id}})),
      bytes(registry.counter("logtail_output_record_bytes_total",
                             "Raw bytes of records handed to the output.", {{"output", id}})),
      skippedRecords(registry.counter("logtail_output_skipped_records_total",
                                      "Records given up for want of room, or from before the "
                                      "output's first start.",
                                      {{"output", id}})),
      retries(registry.counter("logtail_output_retries_total",
                               "Times the output was started again from its cursor.",
                               {{"output", id}})),
      undecodable(registry.counter("logtail_output_undecodable_units_total",
                                   "Units that do not decode, left out.", {{"output", id}})) {}

OutputRunner::OutputRunner(RunnerContext context, const OutputSettings& settings,
                           std::unique_ptr<Output> output)
    : context_(std::move(context)),
      settings_(settings),
      output_(std::move(output)),
      own_(output_->cursor() == nullptr
               ? std::make_unique<Manifest>(*context_.files, context_.directory)
               : nullptr),
      metrics_(*context_.metrics, context_.id),
      mailbox_(std::make_shared<Mailbox>()) {}

OutputRunner::~OutputRunner() {
  stop();
}

Manifest& OutputRunner::cursor() const {
  return own_ != nullptr ? *own_ : *output_->cursor();
}

Status OutputRunner::start() {
  const uint64_t bytes = context_.limits.memoryBytes() + output_->memoryBytes();
  memory_ = context_.memory->reserve(bytes);
  if (!memory_) {
    return {Errc::kPushBack, "output " + context_.id + ": needs " + std::to_string(bytes) +
                                 " bytes; raise `memory` or lower what its buffers take"};
  }
  reader_ = std::make_unique<BatchReader>(*context_.files, *context_.queue, context_.queueId,
                                          context_.limits, context_.describe,
                                          [mailbox = mailbox_] { mailbox->signalLocking(); });
  subscription_ = context_.queue->subscribe([mailbox = mailbox_] { mailbox->signalLocking(); });
  thread_ = std::thread([this] { run(); });
  return {};
}

void OutputRunner::stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->stopping = true;
    mailbox_->signal();
  }
  thread_.join();
  context_.queue->unsubscribe(subscription_);
  reader_.reset();
  memory_.release();
}

bool OutputRunner::drain(Nanos deadline) {
  const uint64_t target = context_.queue->durableSequence();
  std::unique_lock lock(mailbox_->mutex);
  mailbox_->draining = true;
  mailbox_->signal();
  while (delivered() < target) {
    const Nanos left = deadline - context_.clock->steady();
    if (left <= Nanos(0)) return false;
    mailbox_->changed.wait_for(lock, left);
  }
  return true;
}

Progress OutputRunner::progress() const {
  return cursor().progress();
}

uint64_t OutputRunner::delivered() const {
  const auto position = cursor().position();
  if (!position || position->queueId != context_.queueId || position->sequence == 0) return 0;
  return position->sequence - 1;
}

void OutputRunner::makeRoom(uint64_t through) {
  if (settings_.full != FullPolicy::kDropOldest) return;
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->skipThrough = std::max(mailbox_->skipThrough, through);
  mailbox_->signal();
}

void OutputRunner::forget(std::vector<event::StreamKey> streams) {
  if (streams.empty()) return;
  const std::lock_guard lock(mailbox_->mutex);
  auto& all = mailbox_->forgotten;
  all.insert(all.end(), streams.begin(), streams.end());
  mailbox_->signal();
}

std::optional<std::string> OutputRunner::problem() const {
  const std::lock_guard lock(mailbox_->mutex);
  return mailbox_->problem;
}

void OutputRunner::setProblem(std::optional<std::string> problem) {
  const std::lock_guard lock(mailbox_->mutex);
  mailbox_->problem = std::move(problem);
  mailbox_->changed.notify_all();  // drain(): a start brings the cursor's place with it
}

// --- the runner's thread
// --------------------------------------------------------------------------

void OutputRunner::run() {
  Nanos wait = settings_.retryMin;
  for (;;) {
    progressed_ = false;
    Status status = begin();
    if (status.ok()) {
      setProblem(std::nullopt);
      status = pump();
    }
    output_->stop();
    (void)settle().ok();  // what stop() still delivered; the rest is read again
    inFlight_.clear();
    (void)commitOwn(true).ok();
    if (status.ok()) return;  // told to stop
    base::logWarn("output " + context_.id + ": " + status.message());
    setProblem(status.message());
    if (progressed_) wait = settings_.retryMin;
    const Nanos pause = isFinal(status.code()) ? Nanos::max() : withJitter(wait);
    if (!backOff(pause)) return;
    wait = std::min<Nanos>(2 * wait, settings_.retryMax);
    metrics_.retries.add();
  }
}

// False when it is to stop. Draining does not cut it short: the destination is not ready.
bool OutputRunner::backOff(Nanos wait) {
  std::unique_lock lock(mailbox_->mutex);
  if (wait == Nanos::max()) {
    mailbox_->changed.wait(lock, [&] { return mailbox_->stopping; });
    return false;
  }
  return !mailbox_->changed.wait_for(lock, wait, [&] { return mailbox_->stopping; });
}

Status OutputRunner::begin() {
  LOGTAIL_TRY(output_->start());
  if (own_ != nullptr) LOGTAIL_TRY(beginOwnCursor());
  {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->finished.clear();
  }
  const auto position = cursor().position();
  if (!position) return beginAnew(settings_.from);
  if (position->sequence > 0 && position->sequence >= context_.queue->oldestSequence()) {
    reader_->seek(*position);
    return {};
  }
  base::logWarn("output " + context_.id + ": entries it has not delivered are gone from the queue");
  return beginAnew(FirstStart::kOldest);
}

Status OutputRunner::beginAnew(FirstStart from) {
  Progress have = cursor().progress();
  for (const Tally& tally : have.forgotten.tallies) {
    if (tally == Tally{}) continue;
    have.streams[event::StreamKey{}][Fate::kDelivered] += tally;
  }
  auto beginning = context_.begin(from, have.streams);
  if (!beginning.ok()) return beginning.error();
  reader_->seek(beginning->position);
  auto first = std::make_shared<Batch>();
  first->before = first->after = beginning->position;
  first->skipped = std::move(beginning->before);
  dispatch(std::move(first));
  return {};
}

Status OutputRunner::beginOwnCursor() {
  ownChange_ = {};
  ManifestReport report;
  auto state = own_->load(report);
  if (!state.ok()) return state.error();
  LOGTAIL_TRY(context_.files->createDirectories(context_.directory));
  startOverForQueue(context_.queueId, context_.id, report.uncertain, *state);
  return own_->begin(std::move(*state));
}

Status OutputRunner::pump() {
  for (;;) {
    uint64_t seen = 0;
    uint64_t skipThrough = 0;
    bool draining = false;
    {
      const std::lock_guard lock(mailbox_->mutex);
      if (mailbox_->stopping) return {};
      seen = mailbox_->events;
      skipThrough = mailbox_->skipThrough;
      draining = mailbox_->draining;
    }
    LOGTAIL_TRY(settle());
    takeForgotten();
    const auto next = reader_->next(skipThrough);
    if (!next.ok()) return next.error();
    if (const uint64_t skipped = reader_->queueCounts().skippedEntries; skipped > skippedSeen_) {
      skippedSeen_ = skipped;
      return {Errc::kRetry, "retention was faster: what is gone is counted"};
    }
    if (*next == BatchReader::Next::kBatch) dispatch(reader_->take());
    if (*next == BatchReader::Next::kWait && draining) output_->drain();
    std::optional<Nanos> wake = output_->turn();
    LOGTAIL_TRY(settle());
    LOGTAIL_TRY(commitOwn(draining && inFlight_.empty()));
    if (*next == BatchReader::Next::kBatch) continue;
    if (ownChange_.position) {
      const Nanos due = ownChangeSince_ + kOwnCommitAge;
      wake = wake ? std::min(*wake, due) : due;
    }
    wait(seen, wake);
  }
}

void OutputRunner::wait(uint64_t seen, std::optional<Nanos> until) {
  std::unique_lock lock(mailbox_->mutex);
  const auto changed = [&] { return mailbox_->events != seen; };
  if (!until) return mailbox_->changed.wait(lock, changed);
  const Nanos left = *until - context_.clock->steady();
  if (left > Nanos(0)) mailbox_->changed.wait_for(lock, left, changed);
}

void OutputRunner::dispatch(BatchPtr batch) {
  const uint64_t number = nextNumber_++;
  InFlight inFlight;
  inFlight.number = number;
  inFlight.after = batch->after;
  if (own_ != nullptr) inFlight.skipped = batch->skipped;
  inFlight_.push_back(std::move(inFlight));
  for (const Block& block : batch->blocks) {
    metrics_.records.add(block.header.records);
    metrics_.bytes.add(block.header.recordBytes);
  }
  for (const auto& [key, tally] : batch->skipped) metrics_.skippedRecords.add(tally.records);
  metrics_.undecodable.add(reader_->undecodableUnits() - undecodableSeen_);
  undecodableSeen_ = reader_->undecodableUnits();
  output_->take(std::move(batch), Delivery([mailbox = mailbox_, number](Outcome outcome) {
                  const std::lock_guard lock(mailbox->mutex);
                  mailbox->finished.push_back({number, std::move(outcome)});
                  mailbox->signal();
                }));
}

// Takes over how deliveries ended, in the queue's order; an error when one is to be tried again.
Status OutputRunner::settle() {
  std::vector<Finished> finished;
  {
    const std::lock_guard lock(mailbox_->mutex);
    finished.swap(mailbox_->finished);
  }
  for (Finished& each : finished) {
    const auto at = std::find_if(inFlight_.begin(), inFlight_.end(),
                                 [&](const InFlight& f) { return f.number == each.number; });
    if (at != inFlight_.end()) at->outcome = std::move(each.outcome);
  }
  while (!inFlight_.empty() && inFlight_.front().outcome) {
    InFlight& front = inFlight_.front();
    if (front.outcome->kind == Outcome::Kind::kRetry) break;
    settleOne(front);
    inFlight_.pop_front();
    progressed_ = true;
  }
  for (const InFlight& each : inFlight_) {
    if (each.outcome && each.outcome->kind == Outcome::Kind::kRetry) {
      return {Errc::kRetry, each.outcome->reason};
    }
  }
  return {};
}

void OutputRunner::settleOne(InFlight& done) {
  if (own_ == nullptr) {
    const std::lock_guard lock(mailbox_->mutex);
    mailbox_->changed.notify_all();  // drain() looks at the cursor
    return;
  }
  if (!ownChange_.position) ownChangeSince_ = context_.clock->steady();
  ownChange_.position = done.after;
  for (const auto& [key, tally] : done.outcome->written) {
    ownChange_.counts[key][Fate::kDelivered] += tally;
  }
  for (const auto& [key, tally] : done.skipped) ownChange_.counts[key][Fate::kSkipped] += tally;
}

Status OutputRunner::commitOwn(bool now) {
  if (own_ == nullptr || !ownChange_.position) return {};
  if (!now && context_.clock->steady() - ownChangeSince_ < kOwnCommitAge) return {};
  LOGTAIL_TRY(own_->commit(ownChange_));
  ownChange_ = {};
  mailbox_->signalLocking();
  return {};
}

void OutputRunner::takeForgotten() {
  std::vector<event::StreamKey> streams;
  {
    const std::lock_guard lock(mailbox_->mutex);
    streams.swap(mailbox_->forgotten);
  }
  if (streams.empty()) return;
  if (own_ == nullptr) return output_->forget(streams);
  ownChange_.forget.insert(ownChange_.forget.end(), streams.begin(), streams.end());
}

}  // namespace logtail::outputs
