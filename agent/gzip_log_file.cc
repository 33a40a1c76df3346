#include "agent/gzip_log_file.h"

#include <isa-l/igzip_lib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace logtail::agent {
namespace {

constexpr size_t kInput = 64 * 1024;
constexpr size_t kStep = 64 * 1024;  // inflated at a time, into the window

}  // namespace

// The window is a sliding buffer: bytes [start, start + filled) of the log.
struct GzipLogFile::Inflater {
  inflate_state state;
  std::unique_ptr<uint8_t[]> input = std::make_unique_for_overwrite<uint8_t[]>(kInput);
  std::unique_ptr<char[]> window = std::make_unique_for_overwrite<char[]>(kWindow + kStep);
  uint64_t fileOffset = 0;
  uint64_t start = 0;
  size_t filled = 0;
  bool inMember = false;
  bool ended = false;
};

GzipLogFile::GzipLogFile(int fd, uint64_t inode, std::string path)
    : LogFile(fd, inode), path_(std::move(path)) {}

GzipLogFile::~GzipLogFile() = default;

base::Result<size_t> GzipLogFile::readAt(uint64_t offset, std::span<char> into) {
  if (inflater_ == nullptr || offset < inflater_->start) {
    inflater_ = std::make_unique<Inflater>();
    isal_inflate_init(&inflater_->state);
  }
  Inflater& in = *inflater_;
  size_t done = 0;
  while (done < into.size()) {
    const uint64_t at = offset + done;
    if (at < in.start + in.filled) {
      const size_t from = static_cast<size_t>(at - in.start);
      const size_t take = std::min(into.size() - done, in.filled - from);
      std::memcpy(into.data() + done, in.window.get() + from, take);
      done += take;
      continue;
    }
    if (in.ended) break;
    LOGTAIL_TRY(inflateMore());
  }
  return done;
}

// Moves on by up to kStep inflated bytes, or to the end.
base::Status GzipLogFile::inflateMore() {
  Inflater& in = *inflater_;
  if (in.filled > kWindow) {
    const size_t drop = in.filled - kWindow;
    std::memmove(in.window.get(), in.window.get() + drop, kWindow);
    in.start += drop;
    in.filled = kWindow;
  }
  if (!in.inMember) {
    LOGTAIL_TRY(startMember());
    if (in.ended) return {};
  }
  if (in.state.avail_in == 0 && !refill()) {
    return {base::Errc::kQuarantine, path_ + ": ends inside a gzip member"};
  }
  in.state.next_out = reinterpret_cast<uint8_t*>(in.window.get() + in.filled);
  in.state.avail_out = static_cast<uint32_t>(std::min(kStep, kWindow + kStep - in.filled));
  const uint32_t room = in.state.avail_out;
  const int result = isal_inflate(&in.state);
  in.filled += room - in.state.avail_out;
  if (result != ISAL_DECOMP_OK && result != ISAL_END_INPUT) {
    return {base::Errc::kQuarantine,
            path_ + ": damaged gzip data at byte " + std::to_string(in.start + in.filled)};
  }
  if (in.state.block_state == ISAL_BLOCK_FINISH) in.inMember = false;
  return {};
}

base::Status GzipLogFile::startMember() {
  Inflater& in = *inflater_;
  if (in.state.avail_in == 0 && !refill()) {
    if (in.start + in.filled == 0) return {base::Errc::kQuarantine, path_ + ": no gzip member"};
    in.ended = true;
    return {};
  }
  const uint8_t first = *in.state.next_in;
  if (first != 0x1f) {
    if (in.start + in.filled == 0) return {base::Errc::kQuarantine, path_ + ": no gzip file"};
    in.ended = true;
    return {};
  }
  uint8_t* const next = in.state.next_in;
  const uint32_t available = in.state.avail_in;
  isal_inflate_reset(&in.state);
  in.state.next_in = next;
  in.state.avail_in = available;
  in.state.crc_flag = ISAL_GZIP;
  in.inMember = true;
  return {};
}

bool GzipLogFile::refill() {
  Inflater& in = *inflater_;
  for (;;) {
    const ssize_t n = ::pread(fd_.fd, in.input.get(), kInput, static_cast<off_t>(in.fileOffset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    in.fileOffset += static_cast<uint64_t>(n);
    in.state.next_in = in.input.get();
    in.state.avail_in = static_cast<uint32_t>(n);
    return true;
  }
}

}  // namespace logtail::agent
