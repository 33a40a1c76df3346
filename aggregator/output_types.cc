#include "aggregator/output_types.h"

#include "outputs/file_settings.h"

namespace logtail::aggregator {

config::Variants<outputs::OutputSettings> outputTypes() {
  config::Variants<outputs::OutputSettings> types;
  types.add(outputs::fileSettingsTable());
  return types;
}

}  // namespace logtail::aggregator
