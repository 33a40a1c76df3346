#include "common/base/file_system.h"

namespace logtail::base {

std::vector<Status> FileSystem::syncAll(std::span<File* const> files) {
  std::vector<Status> answers;
  answers.reserve(files.size());
  for (File* file : files) answers.push_back(file->syncData());
  return answers;
}

std::string directoryOf(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> readFile(FileSystem& fs, const std::string& path, uint64_t limit) {
  auto file = fs.open(path, OpenMode::kRead);
  if (!file.ok()) return file.error();
  auto info = (*file)->info();
  if (!info.ok()) return info.error();
  if (info->size > limit) {
    return Error{Errc::kQuarantine, path + ": " + std::to_string(info->size) +
                                        " bytes, more than " + std::to_string(limit)};
  }
  std::string bytes(info->size, '\0');
  auto got = (*file)->readAt(0, bytes);
  if (!got.ok()) return got.error();
  bytes.resize(*got);
  return bytes;
}

Status writeFileAtomically(FileSystem& fs, const std::string& path, std::string_view bytes) {
  const std::string temporary = path + ".tmp";
  {
    auto file = fs.open(temporary, OpenMode::kCreate);
    if (!file.ok()) return file.error();
    LOGTAIL_TRY((*file)->truncate(0));
    LOGTAIL_TRY((*file)->write(0, bytes));
    LOGTAIL_TRY((*file)->syncData());
  }
  LOGTAIL_TRY(fs.rename(temporary, path));
  return fs.syncDirectory(directoryOf(path));
}

}  // namespace logtail::base
