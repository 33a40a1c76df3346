// Preloaded into a program: every fdatasync takes so many more microseconds, as on a slow disk.
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

extern "C" int fdatasync(int fd) {
  using Sync = int (*)(int);
  static const auto real = reinterpret_cast<Sync>(::dlsym(RTLD_NEXT, "fdatasync"));
  static const char* const extra = std::getenv("LOGTAIL_SLOW_SYNC_US");
  if (extra != nullptr) ::usleep(static_cast<useconds_t>(std::atoi(extra)));
  return real(fd);
}
