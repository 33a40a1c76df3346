#include "agent/gzip_log_file.h"

#include <isa-l/igzip_lib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace logtail::agent {
namespace {

constexpr size_t kInput = 32 * 1024;
constexpr size_t kStep = 64 * 1024;  // inflated at a time
constexpr size_t kBuffer = GzipLogFile::kWindow + kStep;
constexpr uint64_t kHead = 4096;  // reads up to here are looks at the first line
constexpr uint8_t kMagic = 0x1f;

}  // namespace

// The window slides: bytes [start, start + filled) of the log.
struct Inflater {
  inflate_state state;
  uint8_t input[kInput];
  char window[kBuffer];
  uint64_t fileOffset = 0;
  uint64_t start = 0;
  size_t filled = 0;
  bool inMember = false;
  bool ended = false;

  uint64_t reached() const { return start + filled; }
};
static_assert(sizeof(Inflater) <= InflaterPool::kInflaterBytes);

GzipLogFile::GzipLogFile(int fd, uint64_t inode, std::string path, InflaterPool* pool,
                         DescriptorQuota* quota)
    : LogFile(inode), file_(fd, quota), path_(std::move(path)), pool_(pool) {}

GzipLogFile::~GzipLogFile() {
  release();
}

std::unique_ptr<LogFile> GzipLogFile::duplicate() const {
  const int fd = file_.duplicate();
  if (fd < 0) return nullptr;
  return std::make_unique<GzipLogFile>(fd, inode(), path_, nullptr, nullptr);
}

base::Result<size_t> GzipLogFile::readAt(uint64_t offset, std::span<char> into) {
  if (damage_ && offset >= *damage_) return damagedHere("damaged gzip data").error();
  if (end_ && offset >= *end_) return size_t{0};
  acquire();
  if (offset < inflater_->start) {
    inflater_.reset();
    inflater_ = std::make_unique_for_overwrite<Inflater>();
    isal_inflate_init(&inflater_->state);
  }
  auto done = copyOut(offset, into);
  // Without a pool the memory stays only with a file that is being read further: looking at the
  // heads of a thousand files must not keep it a thousand times.
  const bool over = inflater_->ended || damage_ || offset + into.size() <= kHead;
  if (over && pool_ == nullptr) release();
  return done;
}

base::Result<size_t> GzipLogFile::copyOut(uint64_t offset, std::span<char> into) {
  Inflater& in = *inflater_;
  size_t done = 0;
  while (done < into.size()) {
    const uint64_t at = offset + done;
    if (at < in.reached()) {
      const size_t from = static_cast<size_t>(at - in.start);
      const size_t take = std::min(into.size() - done, in.filled - from);
      std::memcpy(into.data() + done, in.window + from, take);
      done += take;
      continue;
    }
    if (in.ended) break;
    if (const auto status = inflateMore(); !status.ok()) {
      // What damage left whole is handed out; it is met again, and told, behind it.
      if (status.code() == base::Errc::kQuarantine && (at < in.reached() || done > 0)) {
        if (at < in.reached()) continue;
        break;
      }
      return status.error();
    }
  }
  return done;
}

// Moves on by up to kStep inflated bytes, or to the end.
base::Status GzipLogFile::inflateMore() {
  Inflater& in = *inflater_;
  if (damage_ && in.reached() >= *damage_) return damagedHere("damaged gzip data");
  if (in.filled == kBuffer) {
    std::memmove(in.window, in.window + kStep, kWindow);
    in.start += kStep;
    in.filled = kWindow;
  }
  if (!in.inMember) {
    LOGTAIL_TRY(startMember());
    if (in.ended) return {};
  }
  for (;;) {
    const size_t room = kBuffer - in.filled;
    const uint32_t given = in.state.avail_in;
    in.state.next_out = reinterpret_cast<uint8_t*>(in.window + in.filled);
    in.state.avail_out = static_cast<uint32_t>(room);
    const int result = isal_inflate(&in.state);
    const size_t got = room - in.state.avail_out;
    in.filled += got;
    if (result < 0) return damagedHere("damaged gzip data");
    if (in.state.block_state == ISAL_BLOCK_FINISH) {
      in.inMember = false;
      return {};
    }
    if (got > 0) return {};
    if (in.state.avail_in > 0 && in.state.avail_in == given) return damagedHere("no progress");
    if (in.state.avail_in > 0) continue;
    const auto more = refill();
    if (!more.ok()) return more.error();
    if (!*more) return damagedHere("ends inside a gzip member");
  }
}

// Goes on to the next member, or to the end of the file.
base::Status GzipLogFile::startMember() {
  Inflater& in = *inflater_;
  if (in.state.avail_in == 0) {
    const auto more = refill();
    if (!more.ok()) return more.error();
    if (!*more && in.fileOffset == 0) return damagedHere("an empty file");
    if (!*more) {
      in.ended = true;
      end_ = in.reached();
      return {};
    }
  }
  if (*in.state.next_in != kMagic) return skipPadding();
  uint8_t* const next = in.state.next_in;
  const uint32_t available = in.state.avail_in;
  isal_inflate_reset(&in.state);
  in.state.next_in = next;
  in.state.avail_in = available;
  in.state.crc_flag = ISAL_GZIP;
  in.inMember = true;
  return {};
}

// Zeros behind the last member are padding. Anything else may have been a member: to ignore it, as
// gzip does, would lose its bytes unseen.
base::Status GzipLogFile::skipPadding() {
  Inflater& in = *inflater_;
  if (in.fileOffset == in.state.avail_in) return damagedHere("no gzip file");
  for (;;) {
    for (; in.state.avail_in > 0; ++in.state.next_in, --in.state.avail_in) {
      if (*in.state.next_in != 0) return damagedHere("no gzip member behind the last one");
    }
    const auto more = refill();
    if (!more.ok()) return more.error();
    if (*more) continue;
    in.ended = true;
    end_ = in.reached();
    return {};
  }
}

// False at the end of the compressed file.
base::Result<bool> GzipLogFile::refill() {
  Inflater& in = *inflater_;
  for (;;) {
    const ssize_t n = ::pread(file_.fd(), in.input, kInput, static_cast<off_t>(in.fileOffset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return base::errnoError(errno, "read " + path_);
    in.fileOffset += static_cast<uint64_t>(n);
    in.state.next_in = in.input;
    in.state.avail_in = static_cast<uint32_t>(n);
    return n > 0;
  }
}

base::Status GzipLogFile::damagedHere(const char* what) {
  if (!damage_) damage_ = inflater_->reached();
  return {base::Errc::kQuarantine, path_ + ": " + what + " at byte " + std::to_string(*damage_)};
}

void GzipLogFile::acquire() {
  if (pool_ != nullptr && inflater_ != nullptr) {
    pool_->users_.splice(pool_->users_.begin(), pool_->users_, place_);
  }
  if (inflater_ != nullptr) return;
  if (pool_ != nullptr) {
    if (!pool_->users_.empty() && pool_->users_.size() >= pool_->limit_) {
      pool_->users_.back()->release();
      ++pool_->taken_;
    }
    pool_->users_.push_front(this);
    place_ = pool_->users_.begin();
  }
  inflater_ = std::make_unique_for_overwrite<Inflater>();
  isal_inflate_init(&inflater_->state);
}

void GzipLogFile::release() {
  if (inflater_ == nullptr) return;
  inflater_.reset();
  if (pool_ != nullptr) pool_->users_.erase(place_);
}

}  // namespace logtail::agent
