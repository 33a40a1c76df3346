#include "bench/crash/schedule.h"

#include <algorithm>
#include <random>

namespace logtail::bench {

using std::chrono::milliseconds;

namespace {

using Random = std::mt19937_64;

milliseconds between(Random& random, milliseconds low, milliseconds high) {
  const auto span = static_cast<uint64_t>(std::max<int64_t>(high.count() - low.count(), 0)) + 1;
  return low + milliseconds(static_cast<int64_t>(random() % span));
}

// One kill in each of equal slots, at any moment of it, and the start before the slot ends.
void addKills(Target target, uint32_t kills, const CrashOptions& options, Random& random,
              std::vector<CrashEvent>& out) {
  if (kills == 0) return;
  const milliseconds slot = options.time / kills;
  const milliseconds longest = std::min(options.longestDown, slot * 3 / 4);
  for (uint32_t i = 0; i < kills; ++i) {
    const milliseconds down = between(random, milliseconds(0), longest);
    const milliseconds at =
        slot * i + between(random, milliseconds(1), slot - down - milliseconds(2));
    out.push_back({at, target, CrashEvent::Kind::kKill});
    out.push_back({at + down, target, CrashEvent::Kind::kStart});
  }
}

void addDeletion(const CrashOptions& options, std::vector<CrashEvent>& events) {
  const milliseconds middle = options.time / 2;
  milliseconds best = middle;
  bool found = false;
  for (const CrashEvent& event : events) {
    if (event.target != Target::kAgent || event.kind != CrashEvent::Kind::kKill) continue;
    const auto distance = [&](milliseconds at) { return std::abs((at - middle).count()); };
    if (!found || distance(event.at) < distance(best)) best = event.at;
    found = true;
  }
  if (!found) {
    events.push_back({middle, Target::kAgent, CrashEvent::Kind::kKill});
    events.push_back({middle, Target::kAgent, CrashEvent::Kind::kStart});
  }
  events.push_back({best, Target::kAgent, CrashEvent::Kind::kDeleteState});
}

}  // namespace

std::vector<CrashEvent> makeSchedule(const CrashOptions& options) {
  Random random(options.seed);
  std::vector<CrashEvent> events;
  addKills(Target::kAgent, options.agentKills, options, random, events);
  addKills(Target::kAggregator, options.aggregatorKills, options, random, events);
  if (options.deleteAgentState) addDeletion(options, events);
  const auto rank = [](CrashEvent::Kind kind) {
    constexpr int kRanks[] = {0, 2, 1};  // kill, start, delete: deleted between the two
    return kRanks[static_cast<size_t>(kind)];
  };
  std::stable_sort(events.begin(), events.end(), [&](const CrashEvent& a, const CrashEvent& b) {
    return a.at != b.at ? a.at < b.at : rank(a.kind) < rank(b.kind);
  });
  return events;
}

}  // namespace logtail::bench
