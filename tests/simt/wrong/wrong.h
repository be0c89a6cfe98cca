#pragma once
// Kernels that are wrong on purpose, one mistake each. The line at which the checker must catch it bears the
// comment "caught: NAME".

#include <cstddef>
#include <optional>
#include <span>

#include "kernels/simt/faults.h"

namespace signet::test {

/// What the kernels work on: floats on the device, all of them written.
constexpr size_t kFloats = 1024;

struct WrongKernel {
  const char* name;
  simt::Fault fault;
  void (*run)(float* data);
  std::optional<simt::Fault> or_else =
      {};  ///< what it may be caught as besides, with the order of the threads
};

std::span<const WrongKernel> wrong_bounds();
std::span<const WrongKernel> wrong_races();
std::span<const WrongKernel> wrong_waits();
std::span<const WrongKernel> wrong_products();
std::span<const WrongKernel> wrong_tensor_memory();
/// Kernels that come near to such mistakes and make none.
std::span<const WrongKernel> right_kernels();
std::span<const WrongKernel> right_products();
std::span<const WrongKernel> right_tensor_memory();

}  // namespace signet::test
