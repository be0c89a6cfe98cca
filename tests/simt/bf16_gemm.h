#pragma once
// A plain product of bfloat16 matrices by the shipped tiles that have sums in tensor memory: convolutions,
// which ship, have three of the four pairs of layouts.

#include <cstdint>

#include "kernels/bf16.h"

namespace signet::test {

/// C [m, n] = op(A) op(B), of which A is [m, k], or [k, m] if turned, and B [k, n], or [n, k] if turned. The
/// tile is tile_choice's. Rows in memory are multiples of 8 elements.
void bf16_gemm(float* c, const BFloat16* a, const BFloat16* b, bool turned_a, bool turned_b, int m, int n,
               int k);

}  // namespace signet::test
