#pragma once
// The table of output types: what `outputs:` may name, and how each is made.

#include "outputs/output_registry.h"

namespace logtail::aggregator {

outputs::OutputRegistry outputTypes();

}  // namespace logtail::aggregator
