#pragma once
// Errors of Signet: one clear sentence with the path or the shapes, the reason and the remedy.

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace signet {

/// Something the user can mend: bad input, a bad option, a full disk. The program prints it and exits with
/// status 2.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The memory of the computer or of a device does not suffice.
class OutOfMemory : public Error {
 public:
  using Error::Error;
};

/// Throws Error with a fmt-formatted sentence.
template <class Kind = Error, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Kind(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace signet
