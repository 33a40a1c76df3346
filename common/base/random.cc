#include "common/base/random.h"

#include <random>

namespace logtail::base {

uint64_t randomId() {
  std::random_device device;
  for (;;) {
    const uint64_t id = (static_cast<uint64_t>(device()) << 32) | device();
    if (id != 0) return id;
  }
}

}  // namespace logtail::base
