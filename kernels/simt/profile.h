#pragma once
// One call of a CUDA kernel, or of a rung of the ladder, and what it asks of memory line by line.

#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/simt/request_counts.h"

namespace signet::simt {

/// What the kernels take; each reads its own.
struct ProfileSizes {
  Conv2dShape conv;
  int64_t m = 1, n = 1, k = 1;      ///< of gemm
  int64_t rows = 1, channels = 1;   ///< of batchnorm, and of elementwise kernels together
  std::string activations = "f32";  ///< or bf16: what activations are stored as
  std::string precision = "f32";    ///< f32, tf32 or bf16: how the shipped products multiply
  std::string tile =
      "automatic";  ///< or small, warpgroup-small, tensor-memory-small...: what a block computes
  std::string algorithm = "automatic";  ///< or implicit_gemm, winograd: of convolutions
};

/// Those that take activations as f32, among them all that take none, or as bf16.
std::vector<std::string> profiled_kernels(const std::string& activations);

/// Runs it once, checked, as below, but searched for faults and not counted.
void run_kernel(const std::string& name, const ProfileSizes& sizes);

/// Runs it once, checked, on data without a pattern. Throws std::invalid_argument for a name, a
/// precision, a tile or an algorithm that it does not know, or sizes that the kernel does not take.
std::vector<LineCounts> profile_kernel(const std::string& name, const ProfileSizes& sizes);

}  // namespace signet::simt
