// Runs a fuzzer's function over the files of its corpus: the main of every fuzzer where libFuzzer
// is not linked. Each file is also cut short at several places, so that a decoder meets torn input
// in every build. Fails when the directory holds no file, which would test nothing.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

// The copy has exactly `size` bytes, so that a sanitizer sees a read beyond them.
void run(const std::string& bytes, size_t size) {
  const auto copy = std::make_unique<uint8_t[]>(size);
  bytes.copy(reinterpret_cast<char*>(copy.get()), size);
  LLVMFuzzerTestOneInput(copy.get(), size);
}

int replay(const char* directory) {
  constexpr size_t kCuts = 16;
  size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    run(bytes, bytes.size());
    for (size_t cut = 0; cut < kCuts; ++cut) run(bytes, bytes.size() * cut / kCuts);
    ++files;
  }
  std::printf("replayed %zu files of %s\n", files, directory);
  return files == 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
    return 2;
  }
  try {
    return replay(argv[1]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
