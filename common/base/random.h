#pragma once
// Random identifiers (queue ids, agent lives, segment salts) from the kernel's generator. Never 0.
#include <cstdint>
namespace logtail::base {
uint64_t randomId();
}
