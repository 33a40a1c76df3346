#include "aggregator/quarantine.h"

#include <cctype>

#include "common/base/log.h"

namespace logtail::aggregator {
namespace {

// A node's name comes from a peer: what is no plain character is spelled out.
std::string fileName(std::string_view node, uint64_t life, uint64_t sequence) {
  std::string name;
  for (const char c : node.substr(0, 100)) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
    name += plain ? c : '%';
  }
  return name + "-" + std::to_string(life) + "-" + std::to_string(sequence) + ".frame";
}

}  // namespace

base::Status Quarantine::open() {
  LOGTAIL_TRY(fs_.createDirectories(directory_));
  const base::Result<std::vector<std::string>> names = fs_.list(directory_);
  if (!names.ok()) return names.error();
  const std::lock_guard lock(mutex_);
  counts_ = {};
  for (const std::string& name : *names) {
    const base::Result<base::FileInfo> info = fs_.info(directory_ + "/" + name);
    if (!info.ok() || !name.ends_with(".frame")) continue;
    ++counts_.files;
    counts_.bytes += info->size;
  }
  return {};
}

void Quarantine::store(std::string_view node, uint64_t life, uint64_t sequence,
                       std::string_view units, const char* reason) {
  const std::string path = directory_ + "/" + fileName(node, life, sequence);
  const std::lock_guard lock(mutex_);
  base::logError("frame " + std::to_string(sequence) + " of node " + std::string(node) +
                 " makes no sense (" + reason + "): set aside as " + path);
  const base::Result<base::FileInfo> known = fs_.info(path);
  if (known.ok()) return;  // it came again after a restart
  const bool room = counts_.files < limits_.files && counts_.bytes + units.size() <= limits_.bytes;
  const base::Status written = room ? base::writeFileAtomically(fs_, path, units) : base::Status();
  if (!room || !written.ok()) {
    ++counts_.notStored;
    base::logWarn(path + " is not kept: " +
                  (room ? written.message() : std::string("the quarantine is full; empty it")));
    return;
  }
  ++counts_.files;
  counts_.bytes += units.size();
}

Quarantine::Counts Quarantine::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

}  // namespace logtail::aggregator
