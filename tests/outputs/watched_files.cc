#include "tests/outputs/watched_files.h"

#include <algorithm>

#include "outputs/manifest_format.h"

namespace logtail::outputs {

using base::FileInfo;
using base::Result;
using base::Status;

class WatchedFiles::Handle final : public base::File {
 public:
  Handle(std::unique_ptr<base::File> below, std::string path, std::shared_ptr<Seen> seen)
      : below_(std::move(below)), path_(std::move(path)), seen_(std::move(seen)) {
    ++seen_->opened;
    seen_->mostOpen = std::max(seen_->mostOpen, ++seen_->open);
  }
  ~Handle() override {
    --seen_->open;
    seen_->closedUnsynced += unsynced_ ? 1 : 0;
  }

  Result<size_t> readAt(uint64_t offset, std::span<char> into) override {
    return below_->readAt(offset, into);
  }
  Status writeAt(uint64_t offset, std::span<const std::string_view> parts) override {
    constexpr char kAnnounce = 2;  // docs/outputs/file.md, "Manifest"
    seen_->written.insert(path_);
    unsynced_ = true;
    const bool record = path_.find("/manifest.") != std::string::npos && !path_.ends_with(".tmp");
    if (record && parts[0].size() > kManifestRecordHeaderBytes) {
      seen_->announcing = parts[0][kManifestRecordHeaderBytes] == kAnnounce;
    }
    return below_->writeAt(offset, parts);
  }
  Status syncData() override {
    unsynced_ = false;
    return below_->syncData();
  }
  Status truncate(uint64_t size) override { return below_->truncate(size); }
  Status allocate(uint64_t size) override { return below_->allocate(size); }
  Result<FileInfo> info() override { return below_->info(); }

 private:
  std::unique_ptr<base::File> below_;
  const std::string path_;
  std::shared_ptr<Seen> seen_;
  bool unsynced_ = false;
};

WatchedFiles::WatchedFiles(base::FileSystem& below)
    : below_(below), seen_(std::make_shared<Seen>()) {}
WatchedFiles::~WatchedFiles() = default;

Result<std::unique_ptr<base::File>> WatchedFiles::open(const std::string& path,
                                                       base::OpenMode mode) {
  auto file = below_.open(path, mode);
  if (!file.ok()) return file.error();
  return std::unique_ptr<base::File>(std::make_unique<Handle>(std::move(*file), path, seen_));
}
Status WatchedFiles::rename(const std::string& from, const std::string& to) {
  return below_.rename(from, to);
}
Status WatchedFiles::remove(const std::string& path) {
  return below_.remove(path);
}
Status WatchedFiles::createDirectories(const std::string& path) {
  return below_.createDirectories(path);
}
Status WatchedFiles::syncDirectory(const std::string& path) {
  return below_.syncDirectory(path);
}
// The handles are this object's own: through them it sees each.
std::vector<Status> WatchedFiles::syncAll(std::span<base::File* const> files) {
  return below_.syncAll(files);
}
Result<std::vector<std::string>> WatchedFiles::list(const std::string& path) {
  return below_.list(path);
}
Result<FileInfo> WatchedFiles::info(const std::string& path) {
  return below_.info(path);
}
Result<base::SpaceInfo> WatchedFiles::space(const std::string& path) {
  return below_.space(path);
}

}  // namespace logtail::outputs
