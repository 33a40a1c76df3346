#pragma once
// Result<T> and Status: how every fallible call of logtail answers. No exception crosses a room.
//
// An Errc is named for what the caller does about it, not for where it came from; the message says
// the rest for a person. Per-line code does not use these: it returns a small enum and builds no
// text.

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace logtail::base {

enum class Errc : uint8_t {
  kFixInput,  // configuration, arguments, bytes from a peer: a person or the peer must change them
  kNotFound,  // the named thing is not there; callers usually take this as an answer
  kRetry,     // passing fault: the same call may go through later
  kPushBack,  // no room (disk, memory, window): stop taking in until there is
  kQuarantine,  // damaged data: set it aside, count it, go on
  kTooNew,      // state or peer of a newer format: name the version, touch nothing
  kStop,        // the device or descriptor cannot be trusted any more (failed fsync, EIO)
  kBug,         // an invariant of ours does not hold
};

const char* name(Errc code);

struct Error {
  Errc code = Errc::kBug;
  std::string message;
};

// kRetry, kPushBack, kNotFound or kStop from an errno value, with `what` and strerror as the
// message.
Error errnoError(int errnoValue, std::string what);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}
  Status(Errc code, std::string message) : error_{code, std::move(message)}, ok_(false) {}

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }
  const Error& error() const {
    assert(!ok_);
    return error_;
  }
  Errc code() const { return error().code; }
  const std::string& message() const { return error().message; }

 private:
  Error error_;
  bool ok_ = true;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}
  Result(Errc code, std::string message)
      : state_(std::in_place_index<1>, Error{code, std::move(message)}) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

  const Error& error() const { return std::get<1>(state_); }
  Errc code() const { return error().code; }
  const std::string& message() const { return error().message; }
  Status status() const { return ok() ? Status() : Status(error()); }

 private:
  std::variant<T, Error> state_;
};

}  // namespace logtail::base

// Returns early with the error of a Status or Result expression.
#define LOGTAIL_TRY(expression)                               \
  do {                                                        \
    if (auto try_status_ = (expression); !try_status_.ok()) { \
      return try_status_.error();                             \
    }                                                         \
  } while (false)

// Invariants only, never input: stops the process with file, line and the broken condition.
#define LOGTAIL_ASSERT(condition)                                                    \
  do {                                                                               \
    if (!(condition)) ::logtail::base::assertFailed(#condition, __FILE__, __LINE__); \
  } while (false)

namespace logtail::base {
[[noreturn]] void assertFailed(const char* condition, const char* file, int line);
}
