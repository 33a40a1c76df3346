#include "bench/speed/limits.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <thread>
#include <vector>

#include "agent/log_descriptor.h"
#include "agent/stream_tailer.h"
#include "common/base/checksum.h"

namespace logtail::bench {
namespace {

constexpr size_t kSlab = 512 * 1024;
constexpr size_t kBody = 256 * 1024;

// Keeps a result alive so that the work for it is not optimised away.
volatile uint64_t sink;

}  // namespace

double threadCpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

Figure limitPread(const Corpus& corpus) {
  const int fd = ::open(corpus.path.c_str(), O_RDONLY);
  const auto slab = std::make_unique<char[]>(kSlab);
  const double start = threadCpuSeconds();
  uint64_t at = 0;
  for (ssize_t n; (n = ::pread(fd, slab.get(), kSlab, static_cast<off_t>(at))) > 0;) {
    at += static_cast<uint64_t>(n);
  }
  const double used = threadCpuSeconds() - start;
  ::close(fd);
  return {static_cast<double>(at), used};
}

Figure limitNewlines(const Corpus& corpus) {
  const int fd = ::open(corpus.path.c_str(), O_RDONLY);
  const auto slab = std::make_unique<char[]>(kSlab);
  const ssize_t n = ::pread(fd, slab.get(), kSlab, 0);
  ::close(fd);
  const auto rounds = static_cast<int>(std::max<uint64_t>(1, corpus.bytes / kSlab));
  uint64_t lines = 0;
  const double start = threadCpuSeconds();
  for (int round = 0; round < rounds; ++round) {
    const char* at = slab.get();
    const char* end = at + n;
    while (at < end) {
      const void* newline = std::memchr(at, '\n', static_cast<size_t>(end - at));
      if (newline == nullptr) break;
      at = static_cast<const char*>(newline) + 1;
      ++lines;
    }
  }
  const double used = threadCpuSeconds() - start;
  sink = lines;
  return {static_cast<double>(n) * rounds, used};
}

Figure limitZstd(const Corpus& corpus) {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);
  std::vector<char> out(ZSTD_compressBound(kBody));
  uint64_t stored = 0;
  const double start = threadCpuSeconds();
  for (size_t at = 0; at < corpus.messages.size(); at += kBody) {
    const size_t size = std::min(kBody, corpus.messages.size() - at);
    stored += ZSTD_compress2(context, out.data(), out.size(), corpus.messages.data() + at, size);
  }
  const double used = threadCpuSeconds() - start;
  ZSTD_freeCCtx(context);
  sink = stored;
  return {static_cast<double>(corpus.sampleBytes), used};
}

Figure limitReceive(const std::string& directory, uint64_t bytes, uint64_t unitBytes) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return {};
  ::listen(listener, 1);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
  std::thread sender([&] {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      std::abort();  // of this process's own listener
    }
    const std::vector<char> unit(unitBytes, 'u');
    for (uint64_t sent = 0; sent < bytes;) {
      const ssize_t n = ::send(fd, unit.data(), unit.size(), MSG_NOSIGNAL);
      if (n <= 0) break;
      sent += static_cast<uint64_t>(n);
    }
    ::close(fd);
  });
  const int connection = ::accept(listener, nullptr, nullptr);
  const int file = ::open((directory + "/received").c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
  // The queue writes into space that is there already, so does this.
  const bool reserved = ::posix_fallocate(file, 0, static_cast<off_t>(bytes + unitBytes)) == 0;
  std::vector<char> buffer(unitBytes);
  uint64_t received = 0, crc = reserved ? 0 : 1;
  const double start = threadCpuSeconds();
  for (;;) {
    const ssize_t n = ::recv(connection, buffer.data(), buffer.size(), MSG_WAITALL);
    if (n <= 0) break;
    crc += base::crc32c({buffer.data(), static_cast<size_t>(n)});
    if (::write(file, buffer.data(), static_cast<size_t>(n)) != n) break;
    received += static_cast<uint64_t>(n);
  }
  const double used = threadCpuSeconds() - start;
  sink = crc;
  sender.join();
  for (const int fd : {connection, file, listener}) ::close(fd);
  ::unlink((directory + "/received").c_str());
  return {static_cast<double>(received), used};
}

Figure agentToNothing(const Corpus& corpus) {
  base::MemoryBudget budget(64'000'000);
  parsers::CriTimeCache cache;
  event::UnitWriter writer(1);
  agent::TailCounts counts;
  const auto slab = std::make_unique<char[]>(kSlab);
  agent::TailCache tails;
  agent::DescriptorQuota descriptors;
  agent::TailContext context{.writer = writer,
                             .slab = {slab.get(), kSlab},
                             .tails = tails,
                             .clock = base::systemClock(),
                             .counts = counts,
                             .configEpoch = 1,
                             .grace = std::chrono::seconds(1),
                             .inflaters = nullptr,
                             .descriptors = &descriptors,
                             .makeRoom = [](void*) {},
                             .seal =
                                 [](void* self) {
                                   static_cast<event::UnitWriter*>(self)->discard();
                                   return true;
                                 },
                             .worker = &writer};
  event::StreamDescription description;
  description.pod = "pod";
  const std::string directory = corpus.path.substr(0, corpus.path.rfind('/'));
  agent::AssemblerCounts assembled;
  agent::StreamTailer tailer(description, directory, 128 * 1024, budget, cache, assembled);
  tailer.refresh(context);
  tailer.plan({}, nullptr, agent::StartAt::kHead, {}, context);
  const double start = threadCpuSeconds();
  while (tailer.turn(context) == agent::Turn::kMore) {
  }
  const double used = threadCpuSeconds() - start;
  return {static_cast<double>(tailer.sealed().bytes), used};
}

}  // namespace logtail::bench
