#pragma once
// The points at which Winograd's F(4x4, 3x3) interpolates, for the kernels of a processor and of a device.
//
// They are 0, +-a, +-b and infinity: 3/4 and 3/2, for bfloat16 5/8 and 3/2. They are exact in binary and keep
// the entries of the transforms closer to one than the usual 1 and 2: half the rounding error.

#include <type_traits>

namespace signet {

/// The points a and b of activations of a type, and what the transforms need of them. What is rounded to
/// bfloat16 in between takes the pair that serves it better.
template <class act>
struct WinogradPoints {
  static constexpr float kA = std::is_same_v<act, float> ? 0.75f : 0.625f, kB = 1.5f;
  static constexpr float kA2 = kA * kA, kB2 = kB * kB, kA3 = kA2 * kA, kB3 = kB2 * kB;
  // The rows of G are divided by these products of differences of the points.
  static constexpr float kScale0 = 1 / (kA2 * kB2);
  static constexpr float kScaleA = 1 / (2 * kA2 * (kA2 - kB2)), kScaleB = 1 / (2 * kB2 * (kB2 - kA2));
};

}  // namespace signet
