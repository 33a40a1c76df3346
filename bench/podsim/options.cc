#include "bench/podsim/options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <iostream>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/units.h"

namespace logtail::bench {
namespace {

using base::Errc;
using base::Error;
using base::Result;
using base::Status;

// The options whose text is not a plain number.
struct Texts {
  std::string duration = "0";
  std::string lineBytes = "80..400";
  std::string mix = "60:30:10";
  std::string rotateBytes = "10MiB";
  std::string rotateEvery = "0";
  std::string restartEvery = "0";
  std::string partBytes = "16KiB";
  std::string longLine = "0";
};

Status readBytes(const char* option, const std::string& text, uint64_t& out) {
  const auto bytes = base::parseBytes(text);
  if (!bytes)
    return {Errc::kFixInput, std::string(option) + ": '" + text + "' is no size (512KiB)"};
  out = bytes->count;
  return {};
}

Status readDuration(const char* option, const std::string& text, std::chrono::nanoseconds& out) {
  const auto duration = base::parseDuration(text);
  if (!duration) {
    return {Errc::kFixInput, std::string(option) + ": '" + text + "' is no duration (30s)"};
  }
  out = *duration;
  return {};
}

Status readLineBytes(const std::string& text, PodsimOptions& out) {
  const size_t dots = text.find("..");
  if (dots == std::string::npos) {
    uint64_t mean = 0;
    LOGTAIL_TRY(readBytes("--line-bytes", text, mean));
    out.lineBytesMin = mean / 2;
    out.lineBytesMax = mean + mean / 2;
    return {};
  }
  LOGTAIL_TRY(readBytes("--line-bytes", text.substr(0, dots), out.lineBytesMin));
  LOGTAIL_TRY(readBytes("--line-bytes", text.substr(dots + 2), out.lineBytesMax));
  if (out.lineBytesMin > out.lineBytesMax) {
    return {Errc::kFixInput, "--line-bytes: '" + text + "': the first is the smaller"};
  }
  return {};
}

Status readMix(const std::string& text, PodsimOptions& out) {
  uint32_t shares[3] = {};
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < 3; ++i) {
    const auto [next, failed] = std::from_chars(at, end, shares[i]);
    const bool last = i == 2;
    if (failed != std::errc() || (last ? next != end : next == end || *next != ':')) {
      return {Errc::kFixInput, "--mix: '" + text + "' is not text:json:multiline, as 60:30:10"};
    }
    at = next + (last ? 0 : 1);
  }
  if (shares[0] + shares[1] + shares[2] == 0) return {Errc::kFixInput, "--mix: all shares are 0"};
  out.mixText = shares[0];
  out.mixJson = shares[1];
  out.mixMultiline = shares[2];
  return {};
}

Status readTexts(const Texts& texts, PodsimOptions& out) {
  LOGTAIL_TRY(readDuration("--duration", texts.duration, out.duration));
  LOGTAIL_TRY(readDuration("--rotate-every", texts.rotateEvery, out.rotateEvery));
  LOGTAIL_TRY(readDuration("--restart-every", texts.restartEvery, out.restartEvery));
  LOGTAIL_TRY(readBytes("--rotate-bytes", texts.rotateBytes, out.rotateBytes));
  LOGTAIL_TRY(readBytes("--part-bytes", texts.partBytes, out.partBytes));
  LOGTAIL_TRY(readBytes("--long-line", texts.longLine, out.longLine));
  LOGTAIL_TRY(readLineBytes(texts.lineBytes, out));
  return readMix(texts.mix, out);
}

void declare(CLI::App& app, PodsimOptions& out, Texts& texts) {
  app.add_option("--root", out.root, "directory for pods/ and containers/")->required();
  app.add_option("--pods", out.pods, "pods that live as long as the run")
      ->check(CLI::Range(0, 100000));
  app.add_option("--containers", out.containers, "of each pod")->check(CLI::Range(1, 100));
  app.add_option("--namespaces", out.namespaces)->check(CLI::Range(1, 1000));
  app.add_option("--rate", out.rate, "lines a second in total; 0: as fast as possible")
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--duration", texts.duration, "30s; 0: until SIGTERM");
  app.add_option("--lines", out.lines, "stop after so many; 0: no limit");
  app.add_option("--line-bytes", texts.lineBytes, "of a message: MIN..MAX, or its mean");
  app.add_option("--mix", texts.mix, "shares of text:json:multiline");
  app.add_option("--partial-fraction", out.partialFraction, "of lines longer than a part")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--part-bytes", texts.partBytes, "where the runtime splits a line");
  app.add_option("--stderr-fraction", out.stderrFraction)->check(CLI::Range(0.0, 1.0));
  app.add_option("--rotate-bytes", texts.rotateBytes, "rotate a file of this size");
  app.add_option("--rotate-every", texts.rotateEvery, "rotate also by age; 0: by size alone");
  app.add_option("--keep", out.keep, "files of a container, the current one included")
      ->check(CLI::Range(2, 1000));
  app.add_flag("--gzip,!--no-gzip", out.gzip, "compress rotated files but the newest (default)");
  app.add_option("--restart-every", texts.restartEvery, "restart each container; 0: never");
  app.add_option("--short-lived", out.shortLived, "pods that live 100 ms, spread over the run");
  app.add_option("--seed", out.seed);
  app.add_option("--long-line", texts.longLine, "one line of so many bytes");
  app.add_flag("--idle", out.idle, "a few lines each, then nothing");
  app.add_flag("--resume", out.resume, "go on with the containers of the run before");
}

}  // namespace

Result<PodsimOptions> parsePodsimOptions(int argc, const char* const* argv) {
  PodsimOptions options;
  Texts texts;
  CLI::App app("Writes container logs as containerd and the kubelet do, with checkable lines.",
               "podsim");
  try {
    declare(app, options, texts);
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return Error{Errc::kFixInput, ""};
  } catch (const std::exception& error) {
    return Error{Errc::kFixInput, error.what()};
  }
  if (auto read = readTexts(texts, options); !read.ok()) return read.error();
  if (options.partBytes == 0) return Error{Errc::kFixInput, "--part-bytes: must not be 0"};
  return options;
}

}  // namespace logtail::bench
