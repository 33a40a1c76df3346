#pragma once
// What every output's configuration has; each output adds its own in its header.
// Flow: aggregator.yaml, `outputs:` -> config::Variants<OutputSettings> -> OutputRegistry ->
// Output.

#include <chrono>

#include "common/config/table.h"

namespace logtail::outputs {

// What happens when the queue is full and this output is behind.
enum class FullPolicy : uint8_t { kBlock, kDropOldest };
// Where an output that never ran begins.
enum class FirstStart : uint8_t { kOldest, kNewest };

struct OutputSettings {
  virtual ~OutputSettings() = default;

  FullPolicy full = FullPolicy::kBlock;
  FirstStart from = FirstStart::kOldest;
  std::chrono::milliseconds retryMin{250};
  std::chrono::milliseconds retryMax{30'000};

  // Output::memoryBytes() of an output with these settings: known before there is one, so that a
  // configuration can be checked against `memory`.
  virtual uint64_t memoryBytes() const { return 0; }
};

inline const config::Table<OutputSettings>& outputSettingsTable() {
  static const config::Table<OutputSettings> kTable = [] {
    using namespace std::chrono_literals;
    config::Table<OutputSettings> table("output", "What every output has.");
    table.choice(
        "full", &OutputSettings::full,
        "What happens when the queue is full and this output is behind. block: ingest stops; "
        "drop_oldest: the oldest is given up for this output, and counted.",
        {{"block", FullPolicy::kBlock}, {"drop_oldest", FullPolicy::kDropOldest}});
    table.choice(
        "from", &OutputSettings::from,
        "Where the output begins at its very first start: at the oldest entry that the queue "
        "holds, or with what comes from then on.",
        {{"oldest", FirstStart::kOldest}, {"newest", FirstStart::kNewest}});
    table
        .value("retry_min", &OutputSettings::retryMin,
               "First wait after a failure; doubled each time until something is delivered.")
        .range(10ms, 60s);
    table.value("retry_max", &OutputSettings::retryMax, "Longest wait after a failure.")
        .range(10ms, 1h);
    table.rule([](const OutputSettings& s) -> std::optional<config::Problem> {
      if (s.retryMin <= s.retryMax) return std::nullopt;
      return config::Problem{"retry_max", base::formatDuration(s.retryMax),
                             "at least retry_min, " + base::formatDuration(s.retryMin)};
    });
    return table;
  }();
  return kTable;
}

}  // namespace logtail::outputs
