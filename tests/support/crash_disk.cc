#include "tests/support/crash_disk.h"

#include <cerrno>

namespace logtail::test {

using base::Errc;
using base::errnoError;
using base::Result;
using base::Status;

CrashFileSystem::Disk::Disk(const base::Clock* clock) : clock_(clock) {
  add(true);  // kRoot
}

Result<CrashFileSystem::Disk::Place> CrashFileSystem::Disk::find(const std::string& path) const {
  Place place{{kRoot, ""}, inodes.at(kRoot)};
  size_t at = 0;
  while (at <= path.size()) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (place.inode == nullptr) return errnoError(ENOENT, path);
    if (!place.inode->isDirectory) return errnoError(ENOTDIR, path);
    place.key = {place.inode->number, part};
    const auto inode = names.find(place.key);
    place.inode = inode ? inodes.at(*inode) : nullptr;
  }
  return place;
}

Result<CrashFileSystem::Disk::InodePtr> CrashFileSystem::Disk::existing(
    const std::string& path) const {
  auto place = find(path);
  if (!place.ok()) return place.error();
  if (place->inode == nullptr) return errnoError(ENOENT, path);
  return place->inode;
}

CrashFileSystem::Disk::InodePtr CrashFileSystem::Disk::add(bool isDirectory) {
  auto inode = std::make_shared<Inode>();
  inode->number = nextInode_++;
  inode->isDirectory = isDirectory;
  touch(*inode);
  inodes[inode->number] = inode;
  return inode;
}

Status CrashFileSystem::Disk::refuseAfterCrash() const {
  if (crashed) return {Errc::kStop, "the machine has crashed"};
  return {};
}

Status CrashFileSystem::Disk::begin(OpKind kind, const std::string& path,
                                    const std::string& target) {
  const bool changes = kind != OpKind::kRead;
  if (changes && crashAt && operations >= *crashAt) crashed = true;
  LOGTAIL_TRY(refuseAfterCrash());
  const uint64_t number = counts[static_cast<size_t>(kind)]++;
  if (changes) ++operations;
  const Operation operation{kind, path, target, number};
  if (observer && changes) observer(operation);
  std::optional<Errc> code;
  if (const auto fault = faults.find({kind, number}); fault != faults.end()) {
    code = fault->second;
    faults.erase(fault);
  } else if (decide) {
    code = decide(operation);
  }
  if (code) return {*code, std::string(name(kind)) + " " + path + ": planned fault"};
  return {};
}

bool CrashFileSystem::Disk::ignoresSync(const std::string& path, bool isDirectory) const {
  return ignore && ignore(path, isDirectory);
}

void CrashFileSystem::Disk::touch(Inode& inode) {
  inode.modifiedNanos = clock_ != nullptr ? clock_->wallNanos() : ++ticks_;
}

base::FileInfo CrashFileSystem::Disk::infoOf(const Inode& inode) const {
  base::FileInfo info;
  info.size = inode.data.size();
  info.inode = inode.number;
  info.device = 1;
  info.modifiedNanos = inode.modifiedNanos;
  info.isDirectory = inode.isDirectory;
  return info;
}

uint64_t CrashFileSystem::Disk::usedPages() const {
  const std::set<uint64_t> named = names.named();
  uint64_t pages = 0;
  for (const auto& [number, inode] : inodes) {
    if (inode->handles > 0 || named.contains(number)) pages += inode->data.storedPages();
  }
  return pages;
}

bool CrashFileSystem::Disk::hasRoomFor(uint64_t pages) const {
  if (capacity == 0 || pages == 0) return true;
  return (usedPages() + pages) * SparseBytes::kPage <= capacity;
}

void CrashFileSystem::Disk::forgetUnreachable() {
  const std::set<uint64_t> reachable = names.reachable();
  std::erase_if(inodes, [&](const auto& entry) {
    return entry.first != kRoot && entry.second->handles == 0 && !reachable.contains(entry.first);
  });
}

std::shared_ptr<CrashFileSystem::Disk> CrashFileSystem::Disk::afterCrash(uint64_t seed) const {
  CrashDice dice(seed);
  auto after = std::make_shared<Disk>(clock_);
  after->capacity = capacity;
  after->nextInode_ = nextInode_;
  after->ticks_ = ticks_;
  after->names = names.afterCrash(dice);
  for (const uint64_t number : after->names.named()) {
    const Inode& before = *inodes.at(number);
    auto inode = std::make_shared<Inode>();
    inode->number = number;
    inode->isDirectory = before.isDirectory;
    inode->modifiedNanos = before.modifiedNanos;
    inode->data = before.data.afterCrash(dice);
    after->inodes[number] = std::move(inode);
  }
  return after;
}

}  // namespace logtail::test
