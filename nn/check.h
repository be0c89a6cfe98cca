#pragma once

#include <fmt/format.h>

#include <stdexcept>

namespace signet::nn {

/// Throws std::invalid_argument "[op] …" unless the condition holds.
template <class... Args>
void require(bool condition, const char* op, fmt::format_string<Args...> format, Args&&... args) {
  if (condition) return;
  throw std::invalid_argument(fmt::format("[{}] {}", op, fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace signet::nn
