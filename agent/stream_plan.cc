#include "agent/stream_plan.h"

#include <algorithm>

namespace logtail::agent {
namespace {

using event::GenerationResume;

// The newest epoch of a fingerprint that the ledger lists.
const GenerationResume* newestEpoch(const event::Resume& resume, uint64_t fingerprint) {
  const GenerationResume* newest = nullptr;
  for (const GenerationResume& known : resume.generations) {
    if (known.id.fingerprint != fingerprint) continue;
    if (newest == nullptr || known.id.epoch > newest->id.epoch) newest = &known;
  }
  return newest;
}

PlannedGeneration fromKnown(const GenerationResume& known) {
  PlannedGeneration planned;
  planned.id = known.id;
  planned.ordinal = known.ordinal;
  planned.to = known.to;
  planned.tailHash = known.tailHash;
  planned.finished = known.end;
  return planned;
}

event::GenerationId firstId(const FoundFile& file) {
  return file.copyOf ? *file.copyOf : event::GenerationId{*file.fingerprint, 0};
}

// The next epoch after all that the ledger and the plan have of the fingerprint.
event::GenerationId unusedId(const std::vector<PlannedGeneration>& plan, event::GenerationId id) {
  for (const PlannedGeneration& planned : plan) {
    if (planned.id && planned.id->fingerprint == id.fingerprint) {
      id.epoch = std::max(id.epoch, planned.id->epoch + 1);
    }
  }
  return id;
}

std::vector<PlannedGeneration> planFresh(const std::vector<FoundFile>& files, StartAt start) {
  std::vector<PlannedGeneration> plan;
  const size_t first = start == StartAt::kTail && !files.empty() ? files.size() - 1 : 0;
  for (size_t i = first; i < files.size(); ++i) {
    PlannedGeneration planned;
    planned.file = i;
    planned.ordinal = static_cast<uint32_t>(i - first);
    planned.atEnd = start == StartAt::kTail;
    planned.to = files[i].copyFrom;
    if (files[i].fingerprint) planned.id = unusedId(plan, firstId(files[i]));
    plan.push_back(planned);
  }
  return plan;
}

// Whether `file` may be what the ledger knows as `known`: its newest epoch, or the very one that a
// copy was stored as.
bool mayBe(const event::Resume& resume, const GenerationResume& known, const FoundFile& file) {
  if (file.fingerprint != known.id.fingerprint) return false;
  if (file.copyOf && resume.find(*file.copyOf) != nullptr) return file.copyOf == known.id;
  return newestEpoch(resume, known.id.fingerprint) == &known;
}

// Known generations in the ledger's order, each with its file when that is still what it was.
// `rewritten` gets the files that were not, with the epoch that ended.
std::vector<PlannedGeneration> placeKnown(
    const event::Resume& resume, const std::vector<FoundFile>& files,
    std::vector<std::optional<event::GenerationId>>& rewritten, std::vector<bool>& used) {
  std::vector<PlannedGeneration> plan;
  for (const GenerationResume& known : resume.generations) {
    PlannedGeneration planned = fromKnown(known);
    for (size_t i = 0; i < files.size() && !planned.file; ++i) {
      if (used[i] || !mayBe(resume, known, files[i])) continue;
      used[i] = true;
      if (files[i].copyFrom > known.to) {  // the ledger lost what the copy lacks
        planned.file = i;
        planned.gapTo = files[i].copyFrom;
      } else if ((known.end && files[i].isCompressed) || files[i].holds(known.to, known.tailHash)) {
        planned.file = i;
      } else {
        rewritten[i] = known.id;
      }
    }
    if (!planned.file && !planned.finished) {
      const bool truncated = std::any_of(rewritten.begin(), rewritten.end(),
                                         [&](const auto& id) { return id == known.id; });
      planned.tailLost =
          truncated ? event::LossReason::kTruncated : event::LossReason::kRotatedAway;
    }
    plan.push_back(planned);
  }
  return plan;
}

}  // namespace

uint32_t nextOrdinal(const std::vector<PlannedGeneration>& generations) {
  uint32_t next = 0;
  for (const PlannedGeneration& planned : generations) next = std::max(next, planned.ordinal + 1);
  return next;
}

std::vector<PlannedGeneration> planStream(const event::Resume& resume,
                                          const std::vector<FoundFile>& files, StartAt start) {
  if (resume.empty()) return planFresh(files, start);
  std::vector<std::optional<event::GenerationId>> rewritten(files.size());
  std::vector<bool> used(files.size(), false);
  std::vector<PlannedGeneration> plan = placeKnown(resume, files, rewritten, used);
  uint32_t ordinal = nextOrdinal(plan);

  // Everything before the last file that the ledger knows is late when it is unknown.
  size_t newestKnown = 0;
  bool anyKnown = false;
  for (const PlannedGeneration& planned : plan) {
    if (!planned.file) continue;
    newestKnown = std::max(newestKnown, *planned.file);
    anyKnown = true;
  }
  for (size_t i = 0; i < files.size(); ++i) {
    if (used[i] && !rewritten[i]) continue;
    const bool before = anyKnown && i < newestKnown;
    if (before && !rewritten[i] && !files[i].copyOf && resume.startTimeNanos != 0 &&
        files[i].firstTimeNanos < resume.startTimeNanos) {
      continue;
    }
    PlannedGeneration planned;
    planned.file = i;
    planned.ordinal = ordinal++;
    planned.late = before;
    planned.to = files[i].copyFrom;
    if (files[i].fingerprint) planned.id = unusedId(plan, firstId(files[i]));
    plan.push_back(planned);
  }
  // Read in the files' order, whatever their ordinals: a late file is the one that rotation deletes
  // next, and the last one is the one that is written to. What is gone has only losses to tell.
  std::stable_sort(plan.begin(), plan.end(), [](const auto& a, const auto& b) {
    return (a.file ? *a.file + 1 : 0) < (b.file ? *b.file + 1 : 0);
  });
  return plan;
}

}  // namespace logtail::agent
