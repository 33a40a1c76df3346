#include "outputs/stdout_output.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/base/checksum.h"
#include "common/base/printable.h"

namespace logtail::outputs {
namespace {

using base::Nanos;

constexpr size_t kMaxStreams = 4096;
// A pipe that is writable takes as much without blocking (POSIX, PIPE_BUF).
constexpr size_t kStep = 4096;
constexpr Nanos kLookAgain = std::chrono::milliseconds(20);
constexpr Nanos kDrainPatience = std::chrono::seconds(1);

// Bright and plain, no black or white: readable on light and dark.
constexpr const char* kColors[] = {"\x1b[36m", "\x1b[32m", "\x1b[33m", "\x1b[34m",
                                   "\x1b[35m", "\x1b[96m", "\x1b[92m", "\x1b[95m"};
constexpr char kReset[] = "\x1b[0m";

const char* colorOf(std::string_view name) {
  return kColors[base::hash64(name) % std::size(kColors)];
}

bool isWritable(int fd, Nanos patience) {
  pollfd one{fd, POLLOUT, 0};
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  return ::poll(&one, 1, static_cast<int>(millis)) == 1;
}

}  // namespace

StdoutOutput::StdoutOutput(const StdoutSettings& settings, OutputContext context, int fd)
    : settings_(settings), context_(std::move(context)), fd_(fd) {}

base::Status StdoutOutput::start() {
  streams_.clear();
  colored_ =
      settings_.color == Color::kAlways || (settings_.color == Color::kAuto && ::isatty(fd_) == 1);
  return {};
}

StdoutOutput::Stream& StdoutOutput::streamOf(const Block& block) {
  if (streams_.size() >= kMaxStreams && !streams_.contains(block.header.stream)) streams_.clear();
  Stream& stream = streams_[block.header.stream];
  if (stream.description == block.stream) return stream;
  stream.description = block.stream;
  stream.suffix = renderSuffix(*block.stream, settings_.dedot);
  const char* color = colored_ ? colorOf(block.stream->pod) : "";
  const char* reset = colored_ ? kReset : "";
  stream.prefix = color;
  base::appendPrintable(block.stream->pod, stream.prefix);
  stream.prefix += ' ';
  base::appendPrintable(block.stream->container, stream.prefix);
  stream.prefix.append(reset).append(" ");
  return stream;
}

void StdoutOutput::renderRecord(const Block& block, const Stream& stream,
                                const event::Record& record, std::string& out) {
  switch (settings_.format) {
    case StdoutFormat::kRaw:
      out.append(record.message).append("\n");
      return;
    case StdoutFormat::kJson: {
      const size_t before = out.size();
      out.resize(before + JsonEncoder::maxLine(record, stream.suffix));
      const char* end = encoder_.store(block.header.stream, block.header.flags, record,
                                       stream.suffix, out.data() + before);
      out.resize(static_cast<size_t>(end - out.data()));
      return;
    }
    case StdoutFormat::kText:
      if (settings_.timestamps) {
        char time[kSecondChars + 11];  // second '.' nanos 'Z'
        const int64_t second = floorDivide(record.timeNanos, kNanosPerSecond);
        storeSecond(second, time);
        time[kSecondChars] = '.';
        storeNanos(static_cast<uint32_t>(record.timeNanos - second * kNanosPerSecond),
                   time + kSecondChars + 1);
        time[kSecondChars + 10] = 'Z';
        out.append(time, sizeof time).append(" ");
      }
      out += stream.prefix;
      base::appendPrintable(record.message, out);
      out += '\n';
  }
}

void StdoutOutput::take(BatchPtr batch, Delivery delivery) {
  waiting_.push_back({std::move(batch), std::move(delivery), 0, {}});
  writeSome(Nanos(0));
}

// Sums what it renders, record by record: the audit compares that with what was sent.
void StdoutOutput::renderNext(Waiting& waiting) {
  bytes_.clear();
  written_ = 0;
  const Block& block = waiting.batch->blocks[waiting.rendered++];
  const Stream& stream = streamOf(block);
  Tally tally;
  tally.bytes = block.header.recordBytes;
  for (const event::Record& record : block.records) {
    renderRecord(block, stream, record, bytes_);
    ++tally.records;
    const uint64_t seed = event::identitySeed(block.header.stream, record.generation);
    tally.digest += event::recordDigest(seed, record.offset, record.timeNanos, record.flags,
                                        base::hash64(record.message));
  }
  waiting.tallies.emplace_back(block.header.stream, tally);
}

// Writes while the descriptor takes it, waiting at most `patience` for it. False when something is
// left.
bool StdoutOutput::writeSome(Nanos patience) {
  while (!waiting_.empty()) {
    Waiting& front = waiting_.front();
    if (written_ == bytes_.size()) {
      if (front.rendered < front.batch->blocks.size()) {
        renderNext(front);
        continue;
      }
      Waiting done = std::move(front);
      waiting_.pop_front();
      done.delivery.delivered(std::move(done.tallies));
      continue;
    }
    if (!isWritable(fd_, patience)) return false;
    const ssize_t written =
        ::write(fd_, bytes_.data() + written_, std::min(bytes_.size() - written_, kStep));
    if (written >= 0) {
      written_ += static_cast<size_t>(written);
    } else if (errno != EINTR && errno != EAGAIN) {
      fail(std::string("standard output: ") + std::strerror(errno));
      return false;
    }
  }
  return true;
}

void StdoutOutput::fail(const std::string& why) {
  std::deque<Waiting> lost = std::move(waiting_);
  waiting_.clear();
  bytes_.clear();
  written_ = 0;
  for (Waiting& each : lost) each.delivery.retry(why);
}

std::optional<Nanos> StdoutOutput::turn() {
  if (writeSome(Nanos(0)) || waiting_.empty()) return std::nullopt;
  return context_.clock->steady() + kLookAgain;
}

void StdoutOutput::drain() {
  writeSome(kDrainPatience);
}

void StdoutOutput::stop() {
  fail("the output stopped");
}

}  // namespace logtail::outputs
