#pragma once

#include <fmt/format.h>

#include <stdexcept>

#include "kernels/kernels.h"
#include "tensor/shape.h"

namespace signet::nn {

/// Throws std::invalid_argument "[op] …" unless the condition holds.
template <class... Args>
void require(bool condition, const char* op, fmt::format_string<Args...> format, Args&&... args) {
  if (condition) return;
  throw std::invalid_argument(fmt::format("[{}] {}", op, fmt::format(format, std::forward<Args>(args)...)));
}

/// Of images x [batch, height, width, channels] under windows of kernel x kernel; "[maxpool] …" if they do
/// not fit.
Pool2dShape pool_shape(const Shape& x, int64_t kernel, int64_t stride, int64_t padding);

}  // namespace signet::nn
