#pragma once
// The kernels of activations are templates, defined in one file each for float and bfloat16.

#include "kernels/kernels.h"

namespace signet::cpu {
/// How many numbers that are multiplied as `act` share the place of a float (bf16-inl.h).
template <class act>
constexpr int64_t kPerSlot = sizeof(float) / sizeof(act);
}  // namespace signet::cpu

// NOLINTBEGIN(bugprone-macro-parentheses): a name to declare takes no parentheses
#define SIGNET_INSTANTIATE_ACTIVATIONS(kernel)    \
  template decltype(kernel<float>) kernel<float>; \
  template decltype(kernel<BFloat16>) kernel<BFloat16>
// NOLINTEND(bugprone-macro-parentheses)
