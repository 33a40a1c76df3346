#include "outputs/stdout_settings.h"

namespace logtail::outputs {

const config::Table<StdoutSettings>& stdoutSettingsTable() {
  static const config::Table<StdoutSettings> kTable = [] {
    config::Table<StdoutSettings> table(
        "stdout", "Lines on the aggregator's standard output, as they become durable.");
    table.include(outputSettingsTable());
    table.choice("format", &StdoutSettings::format,
                 "text: pod, container and message; raw: the message's bytes; json: as the file "
                 "output writes it.",
                 {{"text", StdoutFormat::kText},
                  {"raw", StdoutFormat::kRaw},
                  {"json", StdoutFormat::kJson}});
    table.choice("color", &StdoutSettings::color,
                 "Colours of `format: text`; auto: when standard output is a terminal.",
                 {{"auto", Color::kAuto}, {"always", Color::kAlways}, {"never", Color::kNever}});
    table.value("timestamps", &StdoutSettings::timestamps,
                "`format: text`: each line begins with its time, UTC.");
    table.value("dedot", &StdoutSettings::dedot,
                "`format: json`: dots in the keys of labels and annotations become underscores.");
    return table;
  }();
  return kTable;
}

}  // namespace logtail::outputs
