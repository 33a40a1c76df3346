#pragma once
// Sealed units as a tail worker makes them, small and told apart by their content.

#include <string>

#include "agent/sealed_unit.h"
#include "common/event/stream.h"
#include "common/event/unit_writer.h"

namespace logtail::agent {

inline event::StreamDescription streamNamed(const std::string& pod) {
  event::StreamDescription description;
  description.cluster = "c";
  description.node = "n";
  description.namespaceName = "shop";
  description.pod = pod;
  description.podUid = "uid-" + pod;
  description.container = "main";
  return description;
}

inline event::StreamKey keyOf(const std::string& pod) {
  return streamNamed(pod).key();
}

// One block [from, from + message + header) of the pod's only generation, in a unit of its own.
inline SealedUnit unitOf(const std::string& pod, uint64_t from, std::string_view message) {
  constexpr uint64_t kCriHeader = 41;
  thread_local event::UnitWriter writer(1);  // its buffers cost more than a test's unit
  event::BlockHeader start;
  start.stream = keyOf(pod);
  start.generation = {base::hash64(pod), 0};
  start.from = from;
  start.observedNanos = 1'700'000'000'000'000'000;
  writer.beginBlock(start);
  writer.add(start.observedNanos, from, 0, message, kCriHeader + message.size());
  SealedUnit unit;
  unit.blocks.push_back(writer.endBlock(from + kCriHeader + message.size(), {}, from + 1, 0));
  writer.seal(unit.bytes);
  unit.readNanos = start.observedNanos;
  return unit;
}

// Incompressible, so that the unit has about this size.
inline std::string noise(size_t bytes, uint64_t seed) {
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(seed = base::mix64(seed + 1));
  return text;
}

}  // namespace logtail::agent
