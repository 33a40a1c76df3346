#include "common/base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace logtail::base {

const char* name(Errc code) {
  switch (code) {
    case Errc::kFixInput:
      return "fix input";
    case Errc::kNotFound:
      return "not found";
    case Errc::kRetry:
      return "retry";
    case Errc::kPushBack:
      return "push back";
    case Errc::kQuarantine:
      return "quarantine";
    case Errc::kTooNew:
      return "too new";
    case Errc::kStop:
      return "stop";
    case Errc::kBug:
      return "bug";
  }
  return "unknown";
}

Error errnoError(int errnoValue, std::string what) {
  what += ": " + std::generic_category().message(errnoValue);
  switch (errnoValue) {
    case ENOENT:
    case ENOTDIR:
      return {Errc::kNotFound, std::move(what)};
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return {Errc::kPushBack, std::move(what)};
    case EINTR:
    case EAGAIN:
    case EBUSY:
      return {Errc::kRetry, std::move(what)};
    case EACCES:
    case EPERM:
    case EROFS:
    case EINVAL:
    case ENAMETOOLONG:
      return {Errc::kFixInput, std::move(what)};
    default:
      return {Errc::kStop, std::move(what)};
  }
}

void assertFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "logtail: broken invariant: %s at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace logtail::base
