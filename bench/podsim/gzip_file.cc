#include "bench/podsim/gzip_file.h"

#include <isa-l/igzip_lib.h>

#include <vector>

#include "common/base/file_system.h"

namespace logtail::bench {

using base::Errc;
using base::OpenMode;
using base::Status;

namespace {

constexpr size_t kChunk = 256 * 1024;

Status compress(base::File& in, base::File& out) {
  std::vector<uint8_t> work(ISAL_DEF_LVL1_DEFAULT);
  std::string plain(kChunk, '\0');
  std::string packed(kChunk, '\0');
  isal_zstream stream;
  isal_deflate_init(&stream);
  stream.level = 1;
  stream.level_buf = work.data();
  stream.level_buf_size = static_cast<uint32_t>(work.size());
  stream.gzip_flag = IGZIP_GZIP;
  uint64_t readAt = 0;
  uint64_t writeAt = 0;
  while (stream.end_of_stream == 0) {
    auto got = in.readAt(readAt, plain);
    if (!got.ok()) return got.error();
    readAt += *got;
    stream.next_in = reinterpret_cast<uint8_t*>(plain.data());
    stream.avail_in = static_cast<uint32_t>(*got);
    stream.end_of_stream = *got < plain.size() ? 1 : 0;
    do {
      stream.next_out = reinterpret_cast<uint8_t*>(packed.data());
      stream.avail_out = static_cast<uint32_t>(packed.size());
      if (isal_deflate(&stream) != COMP_OK) return {Errc::kBug, "igzip failed"};
      const size_t bytes = packed.size() - stream.avail_out;
      LOGTAIL_TRY(out.write(writeAt, std::string_view(packed).substr(0, bytes)));
      writeAt += bytes;
    } while (stream.avail_out == 0);
  }
  return {};
}

}  // namespace

Status gzipFile(const std::string& path) {
  base::FileSystem& fs = base::posixFileSystem();
  const std::string temporary = path + ".tmp";
  {
    auto in = fs.open(path, OpenMode::kRead);
    if (!in.ok()) return in.error();
    auto out = fs.open(temporary, OpenMode::kCreate);
    if (!out.ok()) return out.error();
    LOGTAIL_TRY((*out)->truncate(0));
    LOGTAIL_TRY(compress(**in, **out));
  }
  LOGTAIL_TRY(fs.rename(temporary, path + ".gz"));
  return fs.remove(path);
}

}  // namespace logtail::bench
