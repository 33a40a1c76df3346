#include "bench/speed/corpus.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

namespace logtail::bench {
namespace {

constexpr uint64_t kSample = 64 * 1024 * 1024;

// Lines as services write them: few shapes, changing ids, durations and paths.
class LineMaker {
 public:
  explicit LineMaker(CorpusKind kind) : kind_(kind) {}

  std::string next() {
    static constexpr std::array<const char*, 8> kPaths = {
        "/api/v1/orders", "/api/v1/orders/items",  "/healthz",       "/api/v1/users/profile",
        "/login",         "/api/v2/cart/checkout", "/static/app.js", "/metrics"};
    static constexpr std::array<const char*, 4> kLevels = {"INFO", "INFO", "WARN", "DEBUG"};
    static constexpr std::array<const char*, 5> kTexts = {
        "request completed", "upstream responded", "cache miss, loading from the database",
        "session refreshed for returning visitor", "retrying after connection reset by peer"};
    const auto r = random_();
    const char* path = kPaths[r % kPaths.size()];
    const char* level = kLevels[(r >> 8) % kLevels.size()];
    const char* text = kTexts[(r >> 16) % kTexts.size()];
    const unsigned status = (r >> 24) % 20 == 0 ? 500 : 200;
    const unsigned duration = static_cast<unsigned>((r >> 32) % 5000);
    const auto id = static_cast<unsigned long long>(random_());
    char line[512];
    const int n =
        kind_ == CorpusKind::kText
            ? std::snprintf(line, sizeof line,
                            "%s [worker-%u] com.example.shop.OrderService - %s path=%s status=%u "
                            "duration_ms=%u request_id=%016llx user=%u",
                            level, static_cast<unsigned>(r % 16), text, path, status, duration, id,
                            static_cast<unsigned>((r >> 40) % 100000))
            : std::snprintf(
                  line, sizeof line,
                  "{\"level\":\"%s\",\"logger\":\"com.example.shop.OrderService\","
                  "\"thread\":\"worker-%u\",\"message\":\"%s\",\"http\":{\"path\":\"%s\","
                  "\"status\":%u,\"duration_ms\":%u},\"request_id\":\"%016llx\",\"user\":%u}",
                  level, static_cast<unsigned>(r % 16), text, path, status, duration, id,
                  static_cast<unsigned>((r >> 40) % 100000));
    return {line, static_cast<size_t>(n)};
  }

  std::string header() {
    nanos_ += 20'000 + random_() % 100'000;
    const auto seconds = static_cast<time_t>(nanos_ / 1'000'000'000);
    if (seconds != lastSecond_) {
      lastSecond_ = seconds;
      std::tm utc{};
      gmtime_r(&seconds, &utc);
      std::strftime(second_, sizeof second_, "%Y-%m-%dT%H:%M:%S", &utc);
    }
    char header[64];
    const int n = std::snprintf(header, sizeof header, "%s.%09lluZ stdout F ", second_,
                                static_cast<unsigned long long>(nanos_ % 1'000'000'000));
    return {header, static_cast<size_t>(n)};
  }

 private:
  CorpusKind kind_;
  std::mt19937_64 random_{20261202};
  uint64_t nanos_ = 1'796'212'800'000'000'000;
  time_t lastSecond_ = 0;
  char second_[32] = {};
};

}  // namespace

const char* name(CorpusKind kind) {
  return kind == CorpusKind::kText ? "text" : "json";
}

Corpus makeCorpus(CorpusKind kind, const std::string& root, uint64_t bytes) {
  namespace fs = std::filesystem;
  Corpus corpus;
  corpus.root = root;
  const std::string directory = root + "/pods/bench_pod_0b5b4a5e/main";
  corpus.path = directory + "/0.log";
  fs::create_directories(directory);
  fs::create_directories(root + "/containers");
  std::ofstream out(corpus.path, std::ios::binary);
  LineMaker lines(kind);
  std::string chunk;
  while (corpus.bytes < bytes) {
    chunk.clear();
    while (chunk.size() < 1024 * 1024) {
      const std::string header = lines.header();
      const std::string message = lines.next();
      chunk += header;
      chunk += message;
      chunk += '\n';
      ++corpus.lines;
      if (corpus.sampleBytes < kSample) {
        corpus.messages += message;
        corpus.sampleBytes += header.size() + message.size() + 1;
      }
    }
    out.write(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    corpus.bytes += chunk.size();
  }
  out.close();
  fs::create_symlink(fs::absolute(corpus.path),
                     root + "/containers/pod_bench_main-" + std::string(64, 'b') + ".log");
  return corpus;
}

}  // namespace logtail::bench
