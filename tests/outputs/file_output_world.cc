#include "tests/outputs/file_output_world.h"

#include <zstd.h>

#include <algorithm>

#include "common/base/log.h"

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

// Of a whole line; of anything else what no batch holds.
std::string messageOf(const std::string& line) {
  const size_t from = line.find("\"log\":\"");
  const bool whole = line.starts_with("{\"time\":\"") && line.ends_with("}}");
  if (from == std::string::npos || !whole) return "no whole line: " + line;
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
    : seed_(seed), random_(seed), disk_(std::make_unique<test::CrashFileSystem>()) {
  base::setLogLevel(base::LogLevel::kError);  // warnings are what these tests are about
  settings.directory = kLogs;
  settings.openFiles = 2;
  settings.rotateSize = base::Bytes{2500};
  settings.rotateAge = std::chrono::seconds(100);
  settings.closeIdle = std::chrono::seconds(30);
  for (uint64_t n = 1; n <= batches; ++n) queue_.push_back(makeBatch(n));
}

FileOutputWorld::~FileOutputWorld() = default;

std::shared_ptr<const TestBatch> FileOutputWorld::makeBatch(uint64_t sequence) const {
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
  output_.reset();
  if (onDisk) onDisk(*disk_);
  files_ = std::make_unique<WatchedFiles>(*disk_);
  metrics_ = std::make_unique<metrics::Registry>();
  OutputContext context{"out", kData, files_.get(), &clock_, metrics_.get(), TestBatch::kQueue};
  auto made = FileOutput::make(settings, context);
  LOGTAIL_ASSERT(made.ok());
  output_ = std::move(*made);
  if (small) output_->manifest().setCompactAt(1);
}

uint64_t FileOutputWorld::counter(const std::string& name) {
  return metrics_->counter(name, "", {{"output", "out"}}).value();
}

uint64_t FileOutputWorld::position() const {
  const auto position = output_->cursor()->position();
  return position ? std::max<uint64_t>(position->sequence, 1) : 1;  // 0: the oldest
}

void FileOutputWorld::checkStart() {
  if (!found_.empty() || disk_->crashed()) return;
  if (position() < delivered_) {
    found_ = "the position went back behind what was delivered";
  } else if (counter("logtail_output_manifest_damaged_total") > 0 ||
             counter("logtail_output_manifest_uncertain_total") > 0) {
    found_ = "the manifest looks damaged";
  } else if (counter("logtail_output_files_left_total") > 0) {
    found_ = "a file does not look like the output's own";
  } else {
    found_ = problemAt(position());
  }
}

base::Status FileOutputWorld::startOnly() {
  if (output_ == nullptr) makeOutput();
  starting_ = true;
  auto started = output_->start();
  starting_ = false;
  return started;
}

bool FileOutputWorld::feed() {
  bool retry = false;
  for (uint64_t next = position(); next <= queue_.size() && !retry; ++next) {
    output_->take(batch(next), Delivery([this, next, &retry](Outcome outcome) {
                    if (outcome.kind == Outcome::Kind::kDelivered) {
                      delivered_ = std::max(delivered_, next + 1);
                    } else {
                      retry = true;
                      why_ = outcome.reason;
                    }
                  }));
    clock_.advance(std::chrono::milliseconds(random_() % 700));
    if (random_() % 8 == 0) clock_.advance(std::chrono::seconds(31));
    if (!retry && random_() % 2 == 0) output_->turn();
    if (next == queue_.size() && !retry) output_->drain();
  }
  if (!retry) {  // files that got nothing for long become final
    clock_.advance(std::chrono::seconds(31));
    output_->turn();
    output_->turn();
  }
  failures_ += retry ? 1 : 0;
  return !retry;
}

bool FileOutputWorld::live(std::optional<uint64_t> operations) {
  makeOutput();
  if (operations) disk_->crashAfterOperation(*operations);
  for (int i = 0; i < 1000 && !disk_->crashed(); ++i) {
    const auto started = startOnly();
    if (started.ok()) checkStart();
    if (started.ok() && feed()) return !disk_->crashed();
    clock_.advance(std::chrono::seconds(1));
  }
  LOGTAIL_ASSERT(disk_->crashed());  // else it never gets through
  return false;
}

void FileOutputWorld::reboot(uint64_t crashSeed) {
  output_.reset();
  files_.reset();
  disk_ = disk_->crash(crashSeed);
}

std::map<std::string, std::string> FileOutputWorld::logFiles() {
  std::map<std::string, std::string> files;
  auto spaces = disk_->list(kLogs);
  if (!spaces.ok()) return files;
  for (const std::string& space : *spaces) {
    const std::string directory = std::string(kLogs) + "/" + space;
    const auto names = disk_->list(directory);
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
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
        if (end == bytes.size()) return target + ": its last line has no end";
        lines.push_back(messageOf(bytes.substr(at, end - at)));
        at = end + 1;
      }
    }
  }
  for (const auto& [target, lines] : wanted) found[target];
  for (const auto& [target, have] : found) {
    const auto at = wanted.find(target);
    const auto lines = at == wanted.end() ? std::vector<std::string>() : at->second;
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
  return found_.empty() ? problemAt(queue_.size() + 1) : found_;
}

std::string FileOutputWorld::problemAt(uint64_t position) {
  std::map<std::string, std::vector<std::string>> wanted;
  CountsMap counts;
  for (uint64_t n = 1; n < position; ++n) {
    for (const Block& block : batch(n)->blocks) {
      for (const event::Record& record : block.records) {
        wanted[block.stream->namespaceName + "/" + block.stream->pod + "_app"].emplace_back(
            record.message);
      }
      counts[block.header.stream][Fate::kDelivered] +=
          {block.header.records, block.header.recordBytes, block.header.digest};
    }
    for (const auto& [key, tally] : batch(n)->skipped) counts[key][Fate::kSkipped] += tally;
  }
  const std::string files = checkFiles(wanted);
  if (!files.empty()) return files;
  const auto progress = Manifest::read(*disk_, kData);
  if (!progress.ok()) return progress.message();
  const uint64_t stored =
      progress->position ? std::max<uint64_t>(progress->position->sequence, 1) : 1;
  if (stored != position) return "the manifest's position";
  return progress->streams == counts ? "" : "the manifest's counts";
}

}  // namespace logtail::outputs
