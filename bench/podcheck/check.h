#pragma once
// podcheck's whole run as one call: podcheck's main, logtail-crash and tests use it.

#include <string>

#include "bench/podcheck/delivery_check.h"
#include "common/base/result.h"

namespace logtail::bench {

// `root` holds podsim.manifest, `results` what the output wrote. An error means that nothing could
// be compared: no manifest, no such directory.
base::Result<CheckReport> checkDelivery(const std::string& root, const std::string& results,
                                        const CheckOptions& options);

}  // namespace logtail::bench
