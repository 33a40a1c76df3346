#pragma once
// A file output on a simulated disk, for tests that say line by line what goes in.
//
//   FileOutputRig rig;
//   rig.settings.compress = Compression::kZstd;
//   ASSERT_TRUE(rig.start().ok());
//   rig.take("web", {"one", "two"});
//   rig.commit();
//   EXPECT_EQ(rig.messages("shop/web_app.log"), ...);

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "common/base/log.h"
#include "outputs/file_output.h"
#include "tests/outputs/test_batch.h"
#include "tests/support/crash_file_system.h"
#include "tests/support/fake_clock.h"

namespace logtail::outputs {

class FileOutputRig {
 public:
  static constexpr const char* kData = "/data/outputs/out";
  static constexpr const char* kLogs = "/logs";

  FileOutputRig() {
    base::setLogLevel(base::LogLevel::kError);
    settings.directory = kLogs;
  }

  FileSettings settings;
  test::CrashFileSystem disk;
  test::FakeClock clock;
  std::unique_ptr<metrics::Registry> metrics;  // of this process
  std::unique_ptr<FileOutput> output;
  uint64_t next = 1;  // the sequence of the next batch
  uint64_t delivered = 0;
  uint64_t retried = 0;
  std::string why;  // of the newest retry

  OutputContext context(base::FileSystem& files) {
    if (metrics == nullptr) metrics = std::make_unique<metrics::Registry>();
    return {"out", kData, &files, &clock, metrics.get(), TestBatch::kQueue};
  }
  // A new process; the disk stays as it is.
  base::Status start() {
    output.reset();
    metrics = std::make_unique<metrics::Registry>();
    auto made = FileOutput::make(settings, context(disk));
    LOGTAIL_ASSERT(made.ok());
    output = std::move(*made);
    return again();
  }
  // As the runner does after a retry: from where the cursor is.
  base::Status again() {
    auto started = output->start();
    if (!started.ok()) return started;
    const auto position = output->cursor()->position();
    next = position ? std::max<uint64_t>(position->sequence, 1) : 1;  // 0: the oldest
    return started;
  }

  void take(const std::string& pod, const std::vector<std::string>& messages) {
    auto batch = std::make_shared<TestBatch>(next);
    std::vector<TestBatch::Line> lines;
    for (const std::string& message : messages) lines.push_back({message, clock.wallNanos()});
    batch->add(testStream(pod), next * 100'000, lines);
    give(std::move(batch));
  }
  void give(std::shared_ptr<const TestBatch> batch) {
    ++next;
    output->take(std::move(batch), Delivery([this](Outcome outcome) {
                   if (outcome.kind == Outcome::Kind::kDelivered) {
                     ++delivered;
                   } else {
                     ++retried;
                     why = outcome.reason;
                   }
                 }));
  }
  void commit() { output->drain(); }

  std::string bytes(const std::string& path) {
    const auto found = base::readFile(disk, std::string(kLogs) + "/" + path, 1 << 30);
    return found.ok() ? *found : "no file";
  }
  void write(const std::string& path, const std::string& bytes) {
    const std::string whole = std::string(kLogs) + "/" + path;
    LOGTAIL_ASSERT(disk.createDirectories(base::directoryOf(whole)).ok());
    auto file = disk.open(whole, base::OpenMode::kCreate);
    LOGTAIL_ASSERT(file.ok() && (*file)->truncate(0).ok() && (*file)->write(0, bytes).ok() &&
                   (*file)->syncData().ok());
  }
  // The names below a directory of the logs.
  std::vector<std::string> names(const std::string& directory) {
    const auto found = disk.list(std::string(kLogs) + "/" + directory);
    return found.ok() ? *found : std::vector<std::string>();
  }
  // Of the lines of a file that is not compressed.
  std::vector<std::string> messages(const std::string& path) { return messagesIn(bytes(path)); }
  static std::vector<std::string> messagesIn(const std::string& bytes) {
    std::vector<std::string> found;
    for (size_t at = 0; at < bytes.size();) {
      const size_t end = std::min(bytes.find('\n', at), bytes.size());
      const std::string line = bytes.substr(at, end - at);
      const size_t from = std::min(line.find("\"log\":\""), line.size());
      const size_t to = std::min(line.find('"', from + 7), line.size());
      found.push_back(from == line.size() ? line : line.substr(from + 7, to - from - 7));
      at = end + 1;
    }
    return found;
  }
  uint64_t counter(const std::string& what) {
    return metrics->counter("logtail_output_" + what, "", {{"output", "out"}}).value();
  }
};

}  // namespace logtail::outputs
