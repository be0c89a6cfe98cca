#pragma once
// The fast kernels of activations are templates, defined in one file each for float and bfloat16.

#include "kernels/kernels.h"

// NOLINTBEGIN(bugprone-macro-parentheses): a name to declare takes no parentheses
#define SIGNET_INSTANTIATE_ACTIVATIONS(kernel)    \
  template decltype(kernel<float>) kernel<float>; \
  template decltype(kernel<BFloat16>) kernel<BFloat16>
// NOLINTEND(bugprone-macro-parentheses)
