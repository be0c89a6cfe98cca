#pragma once
// bfloat16: the upper half of a float, so its range with 8 bits of precision (unit roundoff 2^-8). It is a
// way to store activations; whoever computes with them does so in float.

#include <cstdint>

#include "kernels/host_device.h"

namespace signet {

struct BFloat16 {
  uint16_t bits;

  BFloat16() = default;
  /// Rounded to the nearest, ties to even; NaN stays NaN.
  SIGNET_HOST_DEVICE explicit BFloat16(float value) {
    const auto word = __builtin_bit_cast(uint32_t, value);
    const uint32_t rounded = (word + 0x7FFF + (word >> 16 & 1)) >> 16;
    bits = uint16_t(value != value ? word >> 16 | 0x40 : rounded);
  }
  SIGNET_HOST_DEVICE operator float() const { return __builtin_bit_cast(float, uint32_t(bits) << 16); }
};

/// What parameters, statistics and sums beside activations of a type are kept in.
template <class act>
struct RealOf {
  using type = act;
};
template <>
struct RealOf<BFloat16> {
  using type = float;
};
template <class act>
using Real = typename RealOf<act>::type;

}  // namespace signet
