#pragma once
// A directory of its own for a test or a bench run, removed with everything in it at the end.

#include <string>

namespace logtail::test {

class TempDir {
 public:
  // Below `base`, else $TMPDIR, else /tmp; stops the process when there is none to be had.
  explicit TempDir(const std::string& base = "");
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  void keep() { keep_ = true; }  // leaves it for a person to look at

 private:
  std::string path_;
  bool keep_ = false;
};

}  // namespace logtail::test
