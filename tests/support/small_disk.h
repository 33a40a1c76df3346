#pragma once
// A real file system of a few megabytes that can be filled to the last byte.
//
// A tmpfs in a mount namespace of this process: nobody else sees it, and it goes with the process.
// Needs root; make() says why there is none. The directory below it must outlive it.

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.h"

namespace logtail::test {

class SmallDisk {
 public:
  // Mounted on `directory`, which is made.
  static base::Result<std::unique_ptr<SmallDisk>> make(const std::string& directory,
                                                       uint64_t bytes);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  base::Status fill();                       // until nothing fits any more
  base::Status makeRoom(uint64_t newBytes);  // what fill() wrote is deleted, the disk larger

 private:
  explicit SmallDisk(std::string directory) : directory_(std::move(directory)) {}
  std::string ballast() const { return directory_ + "/ballast"; }

  std::string directory_;
};

}  // namespace logtail::test
