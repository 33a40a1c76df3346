#include "bench/podcheck/result_file.h"

#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "common/base/file_system.h"

namespace logtail::bench {

using base::Errc;
using base::Error;
using base::Result;
using base::Status;

namespace {

constexpr size_t kChunk = 1024 * 1024;

// Cuts what it is given into lines.
class LineCutter {
 public:
  explicit LineCutter(const std::function<void(std::string&)>& line) : line_(line) {}

  void add(std::string_view bytes) {
    for (;;) {
      const size_t end = bytes.find('\n');
      held_.append(bytes.substr(0, end));
      if (end == std::string_view::npos) return;
      line_(held_);
      held_.clear();
      bytes.remove_prefix(end + 1);
    }
  }
  bool atLineStart() const { return held_.empty(); }

 private:
  const std::function<void(std::string&)>& line_;
  std::string held_;
};

struct FreeStream {
  void operator()(ZSTD_DStream* stream) const { ZSTD_freeDStream(stream); }
};

// Decompresses frame after frame.
class Decompressor {
 public:
  Decompressor() : stream_(ZSTD_createDStream()), plain_(kChunk, '\0') {}

  Status add(std::string_view packed, LineCutter& lines) {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    for (bool more = true; in.pos < in.size || more;) {
      ZSTD_outBuffer out{plain_.data(), plain_.size(), 0};
      const size_t left = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(left) != 0) return {Errc::kQuarantine, ZSTD_getErrorName(left)};
      lines.add(std::string_view(plain_).substr(0, out.pos));
      inFrame_ = left != 0;
      more = out.pos == out.size;  // it may hold back more than fitted
    }
    return {};
  }
  bool inFrame() const { return inFrame_; }

 private:
  std::unique_ptr<ZSTD_DStream, FreeStream> stream_;
  std::string plain_;
  bool inFrame_ = false;
};

}  // namespace

Result<std::vector<std::string>> resultFiles(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code failed;
  std::filesystem::recursive_directory_iterator at(directory, failed);
  if (failed) return Error{Errc::kNotFound, directory + ": " + failed.message()};
  for (; at != std::filesystem::recursive_directory_iterator(); at.increment(failed)) {
    if (failed) return Error{Errc::kStop, directory + ": " + failed.message()};
    const bool hidden = at->path().filename().string().starts_with('.');
    if (at->is_regular_file(failed) && !hidden) files.push_back(at->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Status readLines(const std::string& path, const std::function<void(std::string&)>& line) {
  auto file = base::posixFileSystem().open(path, base::OpenMode::kRead);
  if (!file.ok()) return file.error();
  const bool packed = path.ends_with(".zst");
  LineCutter lines(line);
  Decompressor decompressor;
  std::string chunk(kChunk, '\0');
  for (uint64_t at = 0;;) {
    auto got = (*file)->readAt(at, chunk);
    if (!got.ok()) return got.error();
    if (*got == 0) break;
    at += *got;
    const std::string_view bytes = std::string_view(chunk).substr(0, *got);
    if (packed) {
      LOGTAIL_TRY(decompressor.add(bytes, lines));
    } else {
      lines.add(bytes);
    }
  }
  if (decompressor.inFrame()) return {Errc::kQuarantine, "ends within a frame"};
  if (!lines.atLineStart()) return {Errc::kQuarantine, "ends within a line"};
  return {};
}

}  // namespace logtail::bench
