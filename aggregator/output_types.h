#pragma once
// The table of output types: what `outputs:` may name, and how each is made.

#include "common/config/table.h"
#include "outputs/settings.h"

namespace logtail::aggregator {

config::Variants<outputs::OutputSettings> outputTypes();

}  // namespace logtail::aggregator
