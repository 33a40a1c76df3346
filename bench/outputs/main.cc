// How fast the file output is without a disk: batches of one stream into one file, committed as
// in real life, on a file system that keeps nothing. Prints MB of raw input (messages and their CRI
// headers) per CPU-second of the output's thread. With --targets: thousands of files on a disk.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <random>

#include "bench/outputs/many_targets.h"
#include "outputs/file_output.h"

namespace logtail::bench {
namespace {

using base::Result;
using base::Status;

constexpr size_t kCriHeader = 41;  // "2023-11-14T22:13:20.000000042Z stdout F "

double cpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// Sizes and inodes only; reads give zeros.
class NoDisk final : public base::FileSystem {
 public:
  struct Entry {
    uint64_t inode = 0;
    uint64_t size = 0;
  };

  class Handle final : public base::File {
   public:
    explicit Handle(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
    Result<size_t> readAt(uint64_t, std::span<char> into) override {
      std::fill(into.begin(), into.end(), '\0');
      return into.size();
    }
    Status writeAt(uint64_t offset, std::span<const std::string_view> parts) override {
      for (const std::string_view part : parts) offset += part.size();
      entry_->size = std::max(entry_->size, offset);
      return {};
    }
    Status syncData() override { return {}; }
    Status truncate(uint64_t size) override {
      entry_->size = size;
      return {};
    }
    Status allocate(uint64_t) override { return {}; }
    Result<base::FileInfo> info() override {
      return base::FileInfo{entry_->size, entry_->inode, 1, 0, false};
    }

   private:
    std::shared_ptr<Entry> entry_;
  };

  Result<std::unique_ptr<base::File>> open(const std::string& path, base::OpenMode mode) override {
    auto& entry = entries_[path];
    if (entry == nullptr) {
      if (mode == base::OpenMode::kRead || mode == base::OpenMode::kReadWrite) return gone(path);
      entry = std::make_shared<Entry>(Entry{++inodes_, 0});
    }
    return std::unique_ptr<base::File>(std::make_unique<Handle>(entry));
  }
  Status rename(const std::string& from, const std::string& to) override {
    entries_[to] = std::move(entries_[from]);
    return {};
  }
  Status remove(const std::string& path) override {
    entries_.erase(path);
    return {};
  }
  Status createDirectories(const std::string&) override { return {}; }
  Status syncDirectory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string&) override {
    return std::vector<std::string>();
  }
  Result<base::FileInfo> info(const std::string& path) override {
    const auto found = entries_.find(path);
    if (found == entries_.end() || found->second == nullptr) return gone(path);
    return base::FileInfo{found->second->size, found->second->inode, 1, 0, false};
  }
  Result<base::SpaceInfo> space(const std::string&) override { return base::SpaceInfo{}; }

 private:
  static base::Error gone(const std::string& path) { return {base::Errc::kNotFound, path}; }

  std::map<std::string, std::shared_ptr<Entry>> entries_;
  uint64_t inodes_ = 0;
};

class OneBatch final : public outputs::Batch {
 public:
  OneBatch(size_t bytes, size_t messageBytes) {
    constexpr char kText[] = "abcdefghijklmnopqrstuvwxyz0123456789 =./:-ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    std::mt19937_64 random(1);
    auto stream = std::make_shared<event::StreamDescription>();
    stream->cluster = "prod";
    stream->node = "node-17.example.org";
    stream->namespaceName = "shop";
    stream->pod = "orders-7f8b9c6d5-x2x7z";
    stream->podUid = "5c1b5a0e-3f0d-4f51-9f0e-0c3d8a1b2c3d";
    stream->container = "app";
    stream->containerId = std::string(64, 'c');
    stream->image = "registry.example.org/shop/orders:1.2.3";
    stream->labels = {{"app.kubernetes.io/name", "orders"}, {"pod-template-hash", "7f8b9c6d5"}};
    outputs::Block block;
    block.stream = stream;
    block.header.stream = stream->key();
    block.header.generation = {7, 0};
    const size_t count = bytes / (messageBytes + kCriHeader);
    text_.reserve(count * messageBytes);
    for (size_t i = 0; i < count * messageBytes; ++i) {
      // A quote now and then, as JSON messages and requests have them.
      text_ += random() % 50 == 0 ? '"' : kText[random() % (sizeof kText - 1)];
    }
    int64_t time = 1'700'000'000'000'000'000;
    for (size_t i = 0; i < count; ++i) {
      time += 20'000;
      const std::string_view all(text_);
      records_.push_back({time, i * (messageBytes + kCriHeader), block.header.generation, 0,
                          all.substr(i * messageBytes, messageBytes)});
    }
    rawBytes = count * (messageBytes + kCriHeader);
    block.header.records = static_cast<uint32_t>(count);
    block.header.recordBytes = rawBytes;
    block.records = records_;
    blocks.push_back(block);
    after = {7, 1, 2, 0, 0};
  }

 private:
  std::string text_;
  std::vector<event::Record> records_;
};

int run(uint64_t megabytes, size_t messageBytes, bool compress) {
  NoDisk disk;
  metrics::Registry metrics;
  outputs::FileSettings settings;
  settings.directory = "/logs";
  if (compress) settings.compress = outputs::Compression::kZstd;
  auto made = outputs::FileOutput::make(settings,
                                        {"bench", "/data", &disk, &base::systemClock(), &metrics});
  if (!made.ok() || !(*made)->start().ok()) return 1;
  const auto batch = std::make_shared<OneBatch>(1'000'000, messageBytes);
  uint64_t delivered = 0;
  const uint64_t rounds = megabytes * 1'000'000 / batch->rawBytes + 1;
  const double began = cpuSeconds();
  for (uint64_t i = 0; i < rounds; ++i) {
    (*made)->take(batch, outputs::Delivery([&](const outputs::Outcome& outcome) {
                    delivered += outcome.kind == outputs::Outcome::Kind::kDelivered ? 1 : 0;
                  }));
  }
  (*made)->drain();
  const double used = cpuSeconds() - began;
  if (delivered != rounds) return 1;
  const double mega = static_cast<double>(rounds * batch->rawBytes) / 1e6;
  const double text =
      mega * static_cast<double>(messageBytes) / static_cast<double>(messageBytes + kCriHeader);
  std::printf(
      "messages_bytes=%zu compress=%s raw_mb=%.0f cpu_s=%.3f raw_mb_per_cpu_s=%.0f "
      "message_mb_per_cpu_s=%.0f\n",
      messageBytes, compress ? "zstd" : "none", mega, used, mega / used, text / used);
  return 0;
}

}  // namespace
}  // namespace logtail::bench

int main(int argc, char** argv) {
  CLI::App cli("How fast the file output is without a disk, or with thousands of files on one.");
  uint64_t megabytes = 2000;
  size_t messageBytes = 200;
  bool compress = false;
  cli.add_option("--megabytes", megabytes, "raw input");
  cli.add_option("--message", messageBytes, "bytes of a message");
  cli.add_flag("--compress", compress, "zstd, level 1");
  logtail::bench::ManyTargets many;
  auto* targets = cli.add_option("--targets", many.targets, "files, on a disk, at a steady rate");
  cli.add_option("--directory", many.directory, "where; emptied")->needs(targets);
  targets->needs("--directory");
  cli.add_option("--lines", many.linesPerSecond, "lines a second")->needs(targets);
  cli.add_option("--seconds", many.seconds, "for so long")->needs(targets);
  cli.add_option("--open-files", many.openFiles, "descriptors")->needs(targets);
  cli.add_flag("--one-by-one", many.oneByOne, "syncs files one after another")->needs(targets);
  CLI11_PARSE(cli, argc, argv);
  if (*targets) return logtail::bench::runManyTargets(many);
  return logtail::bench::run(megabytes, messageBytes, compress);
}
