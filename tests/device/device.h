#pragma once
// The CUDA device that these tests run on, real or simulated.

#include <doctest/doctest.h>

#include <vector>

#include "tensor/device.h"
#include "tensor/tensor.h"

namespace signet::test {

/// The first CUDA device; the suite is skipped where there is none.
inline constexpr Device kCuda{Device::Type::cuda, 0};

/// Whether the two hold the same bits, NaN included.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace signet::test
