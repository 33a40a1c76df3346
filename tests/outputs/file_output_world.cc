#include "tests/outputs/file_output_world.h"

#include <zstd.h>

#include <algorithm>

namespace logtail::outputs {
namespace {

constexpr uint64_t kStreams = 4;

std::shared_ptr<const event::StreamDescription> streamAt(uint64_t index) {
  static const auto kAll = [] {
    std::vector<std::shared_ptr<const event::StreamDescription>> all;
    // The first two share a file: they differ by what the path does not show.
    all.push_back(testStream("web"));
    all.push_back(testStream("web", "shop", 1));
    all.push_back(testStream("db"));
    all.push_back(testStream("db", "bank"));
    return all;
  }();
  return kAll[index];
}

std::string messageOf(const std::string& line) {
  const size_t from = line.find("\"log\":\"");
  if (from == std::string::npos) return "no log in " + line;
  return line.substr(from + 7, line.find('"', from + 7) - from - 7);
}

std::string decompress(const std::string& bytes) {
  std::string out;
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::string chunk(1 << 16, '\0');
  size_t left = 0;
  while (in.pos < in.size) {
    ZSTD_outBuffer to{chunk.data(), chunk.size(), 0};
    left = ZSTD_decompressStream(context, &to, &in);
    if (ZSTD_isError(left)) break;
    out.append(chunk, 0, to.pos);
  }
  ZSTD_freeDCtx(context);
  return left == 0 ? out : out + "\nbroken zstd\n";
}

}  // namespace

FileOutputWorld::FileOutputWorld(uint64_t seed, uint64_t batches)
    : seed_(seed),
      batches_(batches),
      random_(seed),
      disk_(std::make_unique<test::CrashFileSystem>()),
      metrics_(std::make_unique<metrics::Registry>()) {
  settings.directory = kLogs;
  settings.openFiles = 2;
  settings.rotateSize = base::Bytes{2500};
  settings.rotateAge = std::chrono::seconds(100);
  settings.closeIdle = std::chrono::seconds(30);
}

FileOutputWorld::~FileOutputWorld() = default;

std::shared_ptr<const TestBatch> FileOutputWorld::batch(uint64_t sequence) const {
  std::mt19937_64 random(seed_ * 1000 + sequence);
  auto made = std::make_shared<TestBatch>(sequence);
  // Streams come and go: each is silent for a third of the queue.
  for (uint64_t s = 0; s < kStreams; ++s) {
    if ((sequence / 4 + s) % 3 == 0 || random() % 2 == 0) continue;
    std::vector<TestBatch::Line> lines;
    for (uint64_t i = 0; i <= random() % 3; ++i) {
      lines.push_back({"s" + std::to_string(s) + "-" + std::to_string(sequence) + "-" +
                       std::to_string(i) + std::string(random() % 400, 'x')});
    }
    made->add(streamAt(s), sequence * 10'000, lines);
  }
  if (sequence % 5 == 4) made->skipped.push_back({streamAt(0)->key(), {3, 300, sequence}});
  return made;
}

void FileOutputWorld::makeOutput() {
  if (onDisk) onDisk(*disk_);
  metrics_ = std::make_unique<metrics::Registry>();
  OutputContext context{"out", kData, disk_.get(), &clock_, metrics_.get()};
  auto made = FileOutput::make(settings, context);
  LOGTAIL_ASSERT(made.ok());
  output_ = std::move(*made);
  if (small) output_->manifest().setCompactAt(1);
}

base::Status FileOutputWorld::startOnly() {
  makeOutput();
  starting_ = true;
  auto started = output_->start();
  starting_ = false;
  return started;
}

bool FileOutputWorld::feed() {
  const auto position = output_->cursor()->position();
  bool retry = false;
  for (uint64_t next = position ? position->sequence : 1; next <= batches_ && !retry; ++next) {
    output_->take(batch(next), Delivery([&retry](Outcome outcome) {
                    if (outcome.kind == Outcome::Kind::kRetry) retry = true;
                  }));
    clock_.advance(std::chrono::milliseconds(random_() % 700));
    if (random_() % 8 == 0) clock_.advance(std::chrono::seconds(31));
    if (!retry && random_() % 2 == 0) output_->turn();
    if (next == batches_ && !retry) output_->drain();
  }
  if (!retry) {  // files that got nothing for long become final
    clock_.advance(std::chrono::seconds(31));
    output_->turn();
    output_->turn();
  }
  feedFailures += retry ? 1 : 0;
  return !retry;
}

bool FileOutputWorld::live(std::optional<uint64_t> operations) {
  makeOutput();
  if (operations) disk_->crashAfterOperation(*operations);
  for (int i = 0; i < 1000 && !disk_->crashed(); ++i) {
    starting_ = true;
    const auto started = output_->start();
    starting_ = false;
    if (started.ok() && feed()) return !disk_->crashed();
    clock_.advance(std::chrono::seconds(1));
  }
  LOGTAIL_ASSERT(disk_->crashed());  // else it never gets through
  return false;
}

void FileOutputWorld::reboot(uint64_t crashSeed) {
  output_.reset();
  disk_ = disk_->crash(crashSeed);
}

std::map<std::string, std::string> FileOutputWorld::logFiles() {
  std::map<std::string, std::string> files;
  auto spaces = disk_->list(kLogs);
  if (!spaces.ok()) return files;
  for (const std::string& space : *spaces) {
    const std::string directory = std::string(kLogs) + "/" + space;
    for (const std::string& name : disk_->list(directory).value()) {
      files[space + "/" + name] =
          base::readFile(*disk_, directory + "/" + name, uint64_t{1} << 30).value();
    }
  }
  return files;
}

std::string FileOutputWorld::checkFiles(
    const std::map<std::string, std::vector<std::string>>& wanted) {
  std::map<std::string, std::vector<std::string>> found;  // by target, in the order of the files
  std::map<std::string, std::map<uint32_t, std::string>> byTarget;
  for (const auto& [path, bytes] : logFiles()) {
    uint32_t number = 0;
    std::string target = path;
    // "web_app_3.log": the second underscore comes before the number.
    const size_t first = path.find('_');
    const size_t second = path.find('_', first + 1);
    if (second != std::string::npos) {
      number = static_cast<uint32_t>(std::stoul(path.substr(second + 1)));
      target = path.substr(0, second) + path.substr(path.find('.'));
    }
    byTarget[target][number] = path.ends_with(".zst") ? decompress(bytes) : bytes;
  }
  for (const auto& [target, numbers] : byTarget) {
    std::vector<std::string>& lines = found[target.substr(0, target.find('.'))];
    for (const auto& [number, bytes] : numbers) {
      for (size_t at = 0; at < bytes.size();) {
        const size_t end = std::min(bytes.find('\n', at), bytes.size());
        lines.push_back(messageOf(bytes.substr(at, end - at)));
        at = end + 1;
      }
    }
  }
  for (const auto& [target, lines] : wanted) {
    const auto& have = found[target];
    for (size_t i = 0; i < std::max(lines.size(), have.size()); ++i) {
      if (i < lines.size() && i < have.size() && lines[i] == have[i]) continue;
      return target + ", line " + std::to_string(i) + ": wanted " +
             (i < lines.size() ? lines[i] : "the end") + ", found " +
             (i < have.size() ? have[i] : "the end");
    }
  }
  return {};
}

std::string FileOutputWorld::problem() {
  std::map<std::string, std::vector<std::string>> wanted;
  CountsMap counts;
  for (uint64_t n = 1; n <= batches_; ++n) {
    const auto made = batch(n);
    for (const Block& block : made->blocks) {
      for (const event::Record& record : block.records) {
        wanted[block.stream->namespaceName + "/" + block.stream->pod + "_app"].emplace_back(
            record.message);
      }
      counts[block.header.stream][Fate::kDelivered] +=
          {block.header.records, block.header.recordBytes, block.header.digest};
    }
    for (const auto& [key, tally] : made->skipped) counts[key][Fate::kSkipped] += tally;
  }
  const std::string files = checkFiles(wanted);
  if (!files.empty()) return files;
  const auto progress = Manifest::read(*disk_, kData);
  if (!progress.ok()) return progress.message();
  if (!progress->position || progress->position->sequence != batches_ + 1) return "the position";
  return progress->streams == counts ? "" : "the counts";
}

}  // namespace logtail::outputs
