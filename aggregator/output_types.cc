#include "aggregator/output_types.h"

#include <unistd.h>

#include "outputs/file_output.h"
#include "outputs/stdout_output.h"

namespace logtail::aggregator {

outputs::OutputRegistry outputTypes() {
  using namespace outputs;
  OutputRegistry registry;
  registry.add<FileSettings>(
      fileSettingsTable(),
      [](const FileSettings& settings, OutputContext context) -> OutputRegistry::Made {
        auto made = FileOutput::make(settings, std::move(context));
        if (!made.ok()) return made.error();
        return std::unique_ptr<Output>(std::move(*made));
      });
  registry.add<StdoutSettings>(
      stdoutSettingsTable(),
      [](const StdoutSettings& settings, OutputContext context) -> OutputRegistry::Made {
        return std::unique_ptr<Output>(
            std::make_unique<StdoutOutput>(settings, std::move(context), STDOUT_FILENO));
      });
  return registry;
}

}  // namespace logtail::aggregator
