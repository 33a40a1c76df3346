#include "tests/support/crash_file_system.h"

#include <algorithm>
#include <cerrno>
#include <numeric>
#include <random>
#include <string_view>

#include "tests/support/crash_disk.h"

namespace logtail::test {

using base::Errc;
using base::errnoError;
using base::FileInfo;
using base::OpenMode;
using base::Result;
using base::SpaceInfo;
using base::Status;

const char* name(OpKind kind) {
  switch (kind) {
    case OpKind::kCreate:
      return "create";
    case OpKind::kWrite:
      return "write";
    case OpKind::kTruncate:
      return "truncate";
    case OpKind::kAllocate:
      return "allocate";
    case OpKind::kSyncData:
      return "sync";
    case OpKind::kRename:
      return "rename";
    case OpKind::kRemove:
      return "remove";
    case OpKind::kCreateDirectories:
      return "create directory";
    case OpKind::kSyncDirectory:
      return "sync directory";
    case OpKind::kRead:
      return "read";
  }
  return "unknown";
}

// An open file. Keeps its inode, as a descriptor does, when the name goes.
class CrashFileSystem::Handle final : public base::File {
 public:
  Handle(std::shared_ptr<Disk> disk, Disk::InodePtr inode, std::string path, bool writable)
      : disk_(std::move(disk)),
        inode_(std::move(inode)),
        path_(std::move(path)),
        writable_(writable) {
    ++inode_->handles;
  }

  ~Handle() override {
    const std::lock_guard lock(disk_->mutex);
    if (--inode_->handles == 0) disk_->forgetUnreachable();
  }

  Result<size_t> readAt(uint64_t offset, std::span<char> into) override {
    const std::lock_guard lock(disk_->mutex);
    if (auto begun = disk_->begin(OpKind::kRead, path_); !begun.ok()) return begun.error();
    return inode_->data.read(offset, into);
  }

  Status writeAt(uint64_t offset, std::span<const std::string_view> parts) override {
    const std::lock_guard lock(disk_->mutex);
    LOGTAIL_TRY(checkWritable());
    std::string bytes;
    for (const std::string_view part : parts) bytes.append(part);
    if (auto begun = disk_->begin(OpKind::kWrite, path_); !begun.ok()) {
      if (!disk_->crashed)
        inode_->data.write(offset, std::string_view(bytes).substr(0, bytes.size() / 2));
      return begun;
    }
    disk_->touch(*inode_);
    if (disk_->hasRoomFor(inode_->data.pagesForWrite(offset, bytes.size()))) {
      inode_->data.write(offset, bytes);
      return {};
    }
    return writeWhatFits(offset, bytes);
  }

  Status syncData() override {
    const std::lock_guard lock(disk_->mutex);
    if (auto begun = disk_->begin(OpKind::kSyncData, path_); !begun.ok()) {
      if (!disk_->crashed) inode_->data.failSync();
      return begun;
    }
    if (!disk_->ignoresSync(path_, false)) inode_->data.sync();
    return {};
  }

  Status truncate(uint64_t size) override {
    const std::lock_guard lock(disk_->mutex);
    LOGTAIL_TRY(checkWritable());
    LOGTAIL_TRY(disk_->begin(OpKind::kTruncate, path_));
    disk_->touch(*inode_);
    inode_->data.truncate(size);
    return {};
  }

  Status allocate(uint64_t size) override {
    const std::lock_guard lock(disk_->mutex);
    LOGTAIL_TRY(checkWritable());
    LOGTAIL_TRY(disk_->begin(OpKind::kAllocate, path_));
    CrashFileData grown = inode_->data;
    grown.allocate(size);
    if (!disk_->hasRoomFor(grown.storedPages() - inode_->data.storedPages())) {
      return errnoError(ENOSPC, "allocate " + path_);
    }
    disk_->touch(*inode_);
    inode_->data = std::move(grown);
    return {};
  }

  Result<FileInfo> info() override {
    const std::lock_guard lock(disk_->mutex);
    if (auto refused = disk_->refuseAfterCrash(); !refused.ok()) return refused.error();
    return disk_->infoOf(*inode_);
  }

 private:
  Status checkWritable() const {
    if (!writable_) return errnoError(EBADF, "write " + path_);
    return {};
  }

  Status writeWhatFits(uint64_t offset, std::string_view bytes) {
    size_t fits = 0;
    for (;;) {
      const uint64_t pageEnd = ((offset + fits) / SparseBytes::kPage + 1) * SparseBytes::kPage;
      const size_t next = std::min<uint64_t>(bytes.size(), pageEnd - offset);
      if (!disk_->hasRoomFor(inode_->data.pagesForWrite(offset, next))) break;
      fits = next;
    }
    inode_->data.write(offset, bytes.substr(0, fits));
    return errnoError(ENOSPC, "write " + path_);
  }

  std::shared_ptr<Disk> disk_;
  Disk::InodePtr inode_;
  std::string path_;
  bool writable_;
};

CrashFileSystem::CrashFileSystem(const base::Clock* clock)
    : CrashFileSystem(std::make_shared<Disk>(clock)) {}
CrashFileSystem::CrashFileSystem(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
CrashFileSystem::~CrashFileSystem() = default;

Result<std::unique_ptr<base::File>> CrashFileSystem::open(const std::string& path, OpenMode mode) {
  const std::lock_guard lock(disk_->mutex);
  if (auto refused = disk_->refuseAfterCrash(); !refused.ok()) return refused.error();
  auto place = disk_->find(path);
  if (!place.ok()) return place.error();
  const bool creates = mode == OpenMode::kCreate || mode == OpenMode::kCreateExclusive;
  if (place->inode != nullptr && mode == OpenMode::kCreateExclusive) {
    return base::Error{Errc::kFixInput, "open " + path + ": exists"};
  }
  if (place->inode != nullptr && place->inode->isDirectory)
    return errnoError(EISDIR, "open " + path);
  if (place->inode == nullptr) {
    if (!creates) return errnoError(ENOENT, "open " + path);
    if (auto begun = disk_->begin(OpKind::kCreate, path); !begun.ok()) return begun.error();
    if (!disk_->hasRoomFor(1)) return errnoError(ENOSPC, "open " + path);
    place->inode = disk_->add(false);
    disk_->names.create(place->key, place->inode->number);
  }
  return std::unique_ptr<base::File>(
      std::make_unique<Handle>(disk_, place->inode, path, mode != OpenMode::kRead));
}

Status CrashFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(disk_->mutex);
  LOGTAIL_TRY(disk_->begin(OpKind::kRename, from, to));
  auto source = disk_->find(from);
  if (!source.ok()) return source.error();
  if (source->inode == nullptr) return errnoError(ENOENT, "rename " + from + " to " + to);
  auto target = disk_->find(to);
  if (!target.ok()) return target.error();
  if (target->inode == source->inode) return {};
  if (target->inode != nullptr) {
    if (target->inode->isDirectory != source->inode->isDirectory) {
      return errnoError(target->inode->isDirectory ? EISDIR : ENOTDIR,
                        "rename " + from + " to " + to);
    }
    if (!disk_->names.list(target->inode->number).empty()) {
      return errnoError(ENOTEMPTY, "rename " + from + " to " + to);
    }
  }
  disk_->names.rename(source->key, target->key);
  return {};
}

Status CrashFileSystem::remove(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  LOGTAIL_TRY(disk_->begin(OpKind::kRemove, path));
  auto place = disk_->find(path);
  if (!place.ok()) return place.error();
  if (place->inode == nullptr) return errnoError(ENOENT, "remove " + path);
  if (place->inode->isDirectory && !disk_->names.list(place->inode->number).empty()) {
    return errnoError(ENOTEMPTY, "remove " + path);
  }
  disk_->names.remove(place->key);
  return {};
}

Status CrashFileSystem::createDirectories(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  LOGTAIL_TRY(disk_->refuseAfterCrash());
  bool begun = false;
  for (size_t end = 0; end != std::string::npos;) {
    end = path.find('/', end + 1);
    const std::string parent = path.substr(0, end);
    auto place = disk_->find(parent);
    if (!place.ok()) return place.error();
    if (place->inode == nullptr) {
      if (!begun) LOGTAIL_TRY(disk_->begin(OpKind::kCreateDirectories, path));
      begun = true;
      disk_->names.createDurable(place->key, disk_->add(true)->number);
    } else if (!place->inode->isDirectory) {
      return {Errc::kFixInput, parent + ": is not a directory"};
    }
  }
  return {};
}

Status CrashFileSystem::syncDirectory(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  LOGTAIL_TRY(disk_->begin(OpKind::kSyncDirectory, path));
  auto inode = disk_->existing(path);
  if (!inode.ok()) return inode.error();
  if (!(*inode)->isDirectory) return errnoError(ENOTDIR, "open " + path);
  if (disk_->ignoresSync(path, true)) return {};
  disk_->names.sync((*inode)->number);
  disk_->forgetUnreachable();
  return {};
}

std::vector<Status> CrashFileSystem::syncAll(std::span<base::File* const> files) {
  std::vector<size_t> order(files.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), std::mt19937_64(operations()));
  std::vector<Status> answers(files.size());
  for (const size_t i : order) answers[i] = files[i]->syncData();
  return answers;
}

Result<std::vector<std::string>> CrashFileSystem::list(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  if (auto refused = disk_->refuseAfterCrash(); !refused.ok()) return refused.error();
  auto inode = disk_->existing(path);
  if (!inode.ok()) return inode.error();
  if (!(*inode)->isDirectory) return errnoError(ENOTDIR, "list " + path);
  return disk_->names.list((*inode)->number);
}

Result<FileInfo> CrashFileSystem::info(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  if (auto refused = disk_->refuseAfterCrash(); !refused.ok()) return refused.error();
  auto inode = disk_->existing(path);
  if (!inode.ok()) return inode.error();
  return disk_->infoOf(**inode);
}

Result<SpaceInfo> CrashFileSystem::space(const std::string& path) {
  const std::lock_guard lock(disk_->mutex);
  if (auto refused = disk_->refuseAfterCrash(); !refused.ok()) return refused.error();
  if (auto inode = disk_->existing(path); !inode.ok()) return inode.error();
  const uint64_t total = disk_->capacity != 0 ? disk_->capacity : Disk::kNoLimit;
  const uint64_t used = disk_->usedPages() * SparseBytes::kPage;
  return SpaceInfo{total, total > used ? total - used : 0};
}

std::unique_ptr<CrashFileSystem> CrashFileSystem::crash(uint64_t seed) const {
  const std::lock_guard lock(disk_->mutex);
  return std::unique_ptr<CrashFileSystem>(new CrashFileSystem(disk_->afterCrash(seed)));
}

void CrashFileSystem::crashAfterOperation(uint64_t n) {
  const std::lock_guard lock(disk_->mutex);
  disk_->crashAt = disk_->operations + n;
}

bool CrashFileSystem::crashed() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->crashed;
}

uint64_t CrashFileSystem::operations() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->operations;
}

uint64_t CrashFileSystem::count(OpKind kind) const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->counts[static_cast<size_t>(kind)];
}

void CrashFileSystem::failNth(OpKind kind, uint64_t nth, Errc code) {
  const std::lock_guard lock(disk_->mutex);
  disk_->faults[{kind, disk_->counts[static_cast<size_t>(kind)] + nth}] = code;
}

void CrashFileSystem::failWhen(Decide decide) {
  const std::lock_guard lock(disk_->mutex);
  disk_->decide = std::move(decide);
}

void CrashFileSystem::ignoreSyncs(Ignore ignore) {
  const std::lock_guard lock(disk_->mutex);
  disk_->ignore = std::move(ignore);
}

void CrashFileSystem::observe(std::function<void(const Operation&)> observer) {
  const std::lock_guard lock(disk_->mutex);
  disk_->observer = std::move(observer);
}

void CrashFileSystem::setCapacity(uint64_t bytes) {
  const std::lock_guard lock(disk_->mutex);
  disk_->capacity = bytes;
}

uint64_t CrashFileSystem::usedBytes() const {
  const std::lock_guard lock(disk_->mutex);
  return disk_->usedPages() * SparseBytes::kPage;
}

}  // namespace logtail::test
