#pragma once
// Which number a target's next file gets: behind every one that is on disk, whoever made it.
//
// Flow: FileTargets, once for each announcement -> numbers. Lists a directory once however many
// targets ask, so it lives for one announcement only. The file system must outlive it.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/base/file_system.h"
#include "common/base/result.h"

namespace logtail::outputs {

class FileNumbers {
 public:
  static constexpr uint32_t kMaxNumber = 999'999'999;  // higher ones are no rotation of ours

  FileNumbers(base::FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  // One above the highest number with which a file of the target is there; 0 without any.
  base::Result<uint32_t> behind(const std::string& target);
  // `number`, or one behind all that are there when somebody made a file of that name.
  base::Result<uint32_t> freeFrom(const std::string& target, uint32_t number);

 private:
  base::Result<const std::vector<std::string>*> names(const std::string& directory);

  base::FileSystem& files_;
  const std::string directory_;
  std::map<std::string, std::vector<std::string>> listed_;  // sorted
};

}  // namespace logtail::outputs
