#include "tests/support/temp_dir.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "common/base/result.h"

namespace logtail::test {

TempDir::TempDir(const std::string& base) {
  const char* configured = std::getenv("TMPDIR");
  path_ = base;
  if (path_.empty() && configured != nullptr) path_ = configured;
  if (path_.empty()) path_ = "/tmp";
  path_ += "/logtail-XXXXXX";
  LOGTAIL_ASSERT(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;
  if (!keep_) std::filesystem::remove_all(path_, ignored);
}

}  // namespace logtail::test
