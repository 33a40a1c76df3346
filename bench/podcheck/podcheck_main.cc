// podcheck: does the file output hold each line that podsim wrote, once, whole and in order?
// Exit 0 yes, 1 no, 2 nothing could be compared.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "bench/podcheck/check.h"

namespace {

struct Arguments {
  std::string root;
  std::string results;
  logtail::bench::CheckOptions options;
  uint64_t expectLines = 0;
  bool expects = false;
};

// 0: go on; else the exit code, less one.
int parse(int argc, char** argv, Arguments& out) {
  CLI::App app("Compares an output's files with what podsim wrote.", "podcheck");
  try {
    app.add_option("--root", out.root, "podsim's --root")->required();
    app.add_option("--results", out.results, "the file output's directory")->required();
    app.add_flag("--allow-missing-before", out.options.allowMissingBefore,
                 "lines before the first delivered one of a stream are not missing");
    app.add_option("--examples", out.options.examples, "of each problem (10)");
    const auto* expect = app.add_option("--expect-lines", out.expectLines,
                                        "delivered lines; without it: more than none");
    app.parse(argc, argv);
    out.expects = expect->count() > 0;
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "podcheck: " << error.what() << "\n";
    return 3;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (const int done = parse(argc, argv, arguments); done != 0) return done - 1;
  auto report = logtail::bench::checkDelivery(arguments.root, arguments.results, arguments.options);
  if (!report.ok()) {
    std::fprintf(stderr, "podcheck: %s\n", report.message().c_str());
    return 2;
  }
  std::printf("podcheck: %s", report->toString().c_str());
  const bool enough =
      arguments.expects ? report->delivered == arguments.expectLines : report->delivered > 0;
  if (!enough) {
    std::printf("podcheck: %llu lines delivered, expected %s\n",
                static_cast<unsigned long long>(report->delivered),
                arguments.expects ? std::to_string(arguments.expectLines).c_str() : "some");
  }
  return enough && report->clean() ? 0 : 1;
}
