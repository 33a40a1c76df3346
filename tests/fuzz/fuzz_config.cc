// Any bytes as a configuration file: either a configuration within its bounds or one line that
// names the file; never a crash, never more than one line.

#include <cstddef>
#include <cstdint>

#include "common/config/config.h"
#include "tests/config/sample.h"

namespace {

using namespace logtail;
using namespace config::sample;

std::optional<std::string> fakeEnvironment(const std::string& name) {
  if (name.size() > 3) return std::nullopt;
  return "${" + name + "}: [value";
}

void checkConfig(const Sample& config) {
  LOGTAIL_ASSERT(!config.cluster.empty() && config.cluster.size() <= 20);
  LOGTAIL_ASSERT(config.memory >= 16_MB && config.memory <= 4_GiB);
  LOGTAIL_ASSERT(config.ratio >= 0 && config.ratio <= 1);
  LOGTAIL_ASSERT(!config.aggregators.empty() && config.aggregators.size() <= 4);
  for (const auto& output : config.outputs) {
    LOGTAIL_ASSERT(output.settings != nullptr && output.settings->retries <= 10);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto table = sampleTable();
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto config = config::parse(table, yaml, "fuzz.yaml", fakeEnvironment);
  if (config) {
    checkConfig(*config);
  } else {
    LOGTAIL_ASSERT(config.code() == base::Errc::kFixInput);
    LOGTAIL_ASSERT(config.message().starts_with("fuzz.yaml:"));
    LOGTAIL_ASSERT(config.message().find('\n') == std::string::npos);
  }
  return 0;
}
