#pragma once
// What the kernels of activations have in common.

#include "kernels/instantiate.h"

namespace signet::cpu {
/// How many numbers that are multiplied as `act` share the place of a float (bf16-inl.h).
template <class act>
constexpr int64_t kPerSlot = sizeof(float) / sizeof(act);
}  // namespace signet::cpu
