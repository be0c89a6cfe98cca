#pragma once
// What a card could do at most, from its properties.

#include "bench/gpu/problem.h"

namespace signet::bench {

/// 0 where it is not known.
struct Peaks {
  double f32 = 0, tf32 = 0, bf16 = 0;  ///< TFLOP/s, a multiply-add being two; without sparsity
  double bandwidth = 0;                ///< GB/s
  double tflops(MatrixMath math) const {
    return math == MatrixMath::f32 ? f32 : math == MatrixMath::tf32 ? tf32 : bf16;
  }
};

/// Multiprocessors x clock x multiply-adds a multiprocessor and clock. Those on tensor cores stand in a table
/// of NVIDIA's figures (see peaks.cpp).
Peaks peaks_of(const cuda::DeviceProperties& device);

}  // namespace signet::bench
