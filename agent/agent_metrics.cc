// AgentApp's series on /metrics.
#include <algorithm>
#include <limits>

#include "agent/agent_app.h"

namespace logtail::agent {

using Counts = TailWorkerCounts;

void AgentApp::addMetrics() {
  addCounters();
  addShipperCounters();
  addGauges();
  addDegraded();
}

void AgentApp::addCounters() {
  const auto counter = [&](const char* name, const char* help, auto member) {
    callbacks_.push_back(
        registry_.counterCallback(name, help, {}, [this, member] { return sumOf(member); }));
  };
  counter("logtail_read_bytes_total", "Bytes of log files, at the read call.", &Counts::readBytes);
  counter("logtail_reread_bytes_total", "Bytes read again to rebuild open records.",
          &Counts::rereadBytes);
  counter("logtail_records_total", "Records sealed.", &Counts::records);
  counter("logtail_record_bytes_total", "File bytes of records sealed.", &Counts::recordBytes);
  counter("logtail_dropped_records_total", "Records dropped on purpose.", &Counts::dropRecords);
  counter("logtail_dropped_bytes_total", "File bytes dropped on purpose.", &Counts::dropBytes);
  counter("logtail_malformed_lines_total", "Lines that are no CRI lines, kept whole.",
          &Counts::malformedLines);
  counter("logtail_incomplete_records_total", "Records whose end never came.",
          &Counts::incompleteRecords);
  const auto cut = [&](const char* reason, auto member) {
    callbacks_.push_back(
        registry_.counterCallback("logtail_cut_records_total", "Records that were cut, by reason.",
                                  {{"reason", reason}}, [this, member] { return sumOf(member); }));
  };
  cut("max_line", &Counts::cutAtLimit);
  cut("memory", &Counts::cutForMemory);
  counter("logtail_lost_bytes_total", "File bytes that could not be read any more.",
          &Counts::lostBytes);
  counter("logtail_given_up_bytes_total", "Those of them that disk.max or disk.min_free cost.",
          &Counts::givenUpBytes);
  counter("logtail_units_total", "Units sealed.", &Counts::units);
  counter("logtail_unit_bytes_total", "Bytes of units sealed.", &Counts::unitBytes);
  counter("logtail_truncations_total", "Files that were cut or rewritten.", &Counts::truncations);
  counter("logtail_late_generations_total", "Older files found after newer ones.",
          &Counts::lateGenerations);
  counter("logtail_unreadable_files_total", "Failed opens and reads of log files.",
          &Counts::unreadableFiles);
  counter("logtail_malformed_names_total", "Links in containers/ that name no container.",
          &Counts::malformedNames);
  counter("logtail_inotify_overflows_total", "Event queue overflows; each led to a scan.",
          &Counts::overflows);
  counter("logtail_blocked_total", "Times reading stopped because the way was blocked.",
          &Counts::blocked);
}

void AgentApp::addShipperCounters() {
  const auto counter = [&](const char* name, const char* help, auto read) {
    callbacks_.push_back(registry_.counterCallback(
        name, help, {}, [this, read] { return static_cast<double>(read(shipper_->counters())); }));
  };
  using C = ShipperCounters;
  counter("logtail_connects_total", "Connections that an aggregator accepted.",
          [](const C& c) { return c.connects; });
  counter("logtail_connect_failures_total", "Attempts that came to nothing.",
          [](const C& c) { return c.failedAttempts; });
  counter("logtail_sent_frames_total", "Frames sent, those sent again included.",
          [](const C& c) { return c.frames.sentFrames; });
  counter("logtail_resent_frames_total", "Frames sent again, byte for byte.",
          [](const C& c) { return c.frames.resentFrames; });
  counter("logtail_resets_total", "New lives: everything not acknowledged was read again.",
          [](const C& c) { return c.resets; });
  counter("logtail_forbidden_blocks_total", "Blocks refused as another node's.",
          [](const C& c) { return c.forbiddenBlocks; });
  counter("logtail_checkpoint_saves_total", "Checkpoints written.",
          [](const C& c) { return c.checkpointSaves; });
  counter("logtail_checkpoint_failures_total", "Checkpoints that could not be written.",
          [](const C& c) { return c.checkpointFailures; });
  for (size_t reason = 1; reason < wire::kNackReasons; ++reason) {
    callbacks_.push_back(registry_.counterCallback(
        "logtail_nacks_total", "Frames the aggregator sent back, by reason.",
        {{"reason", wire::name(static_cast<wire::NackReason>(reason))}},
        [this, reason] { return static_cast<double>(shipper_->counters().nacks[reason]); }));
  }
}

double AgentApp::secondsToRotationLoss() const {
  base::Nanos least = base::Nanos::max();
  for (const auto& worker : workers_) {
    least = std::min(least, worker->counts().untilRotationLoss.load());
  }
  if (least == base::Nanos::max()) return std::numeric_limits<double>::infinity();
  return std::chrono::duration<double>(least).count();
}

void AgentApp::addGauges() {
  const auto gauge = [&](const char* name, const char* help, std::function<double()> read) {
    callbacks_.push_back(registry_.gaugeCallback(name, help, {}, std::move(read)));
  };
  gauge("logtail_streams", "Streams followed.", [this] { return sumOf(&Counts::streams); });
  gauge("logtail_seconds_to_rotation_loss",
        "Until rotation deletes the first file that is not acknowledged, by its rate so far.",
        [this] { return secondsToRotationLoss(); });
  gauge("logtail_spool_bytes", "Copies of files that rotation deletes before they are shipped.",
        [this] { return sumOf(&Counts::spoolBytes); });
  gauge("logtail_held_deleted_bytes", "Disk of deleted files that are held open.",
        [this] { return sumOf(&Counts::heldDeletedBytes); });
  gauge("logtail_memory_reserved_bytes", "Of the byte budget.",
        [this] { return static_cast<double>(budget_.used()); });
  gauge("logtail_oldest_unacked_seconds", "Age of the oldest read that is not acknowledged.",
        [this] { return shipper_->counters().oldestUnackedSeconds; });
  gauge("logtail_unacked_bytes", "Bytes of units that are not acknowledged.",
        [this] { return static_cast<double>(shipper_->counters().heldBytes); });
  gauge("logtail_checkpoint_damaged_entries",
        "Entries of the checkpoint lost to damage at the start.",
        [this] { return static_cast<double>(damagedEntries_); });
  gauge("logtail_connected", "1 while connected to an aggregator.",
        [this] { return shipper_->counters().connected ? 1.0 : 0.0; });
}

// 1 while the agent works, but not as it should.
void AgentApp::addDegraded() {
  const auto degraded = [&](const char* reason, auto member) {
    callbacks_.push_back(registry_.gaugeCallback(
        "logtail_degraded", "1 while the agent works, but not as it should.", {{"reason", reason}},
        [this, member] { return sumOf(member) > 0 ? 1.0 : 0.0; }));
  };
  degraded("watches", &Counts::scannedDirectories);
  degraded("spool", &Counts::spoolFailing);
  degraded("disk", &Counts::diskLow);
  degraded("memory", &Counts::memoryShort);
}

}  // namespace logtail::agent
