#pragma once
// The teaching ladder: one computation written again and again, from naive to fast, one idea a file. The
// rungs of a list compute the same function and differ each from the one before by that idea; the last rung
// of each list is the kernel that Signet ships, referred to, not copied. docs/ladder.md climbs it.
//
// This header needs no CUDA. The lists exist in builds with a device, real or simulated.

#include <cstdint>
#include <span>
#include <string>

#include "kernels/kernels.h"

namespace signet::cuda::ladder {

/// What a rung's arithmetic is rounded to before it is multiplied; sums are in float throughout.
enum class Operands : uint8_t { f32, tf32, bf16 };

/// C[m,n] = A[m,k] B[k,n], row-major, assigned.
struct GemmRung {
  const char* name;  ///< as its file
  const char* idea;  ///< what it adds to the rung before, one sentence
  /// Device pointers, aligned to 16 bytes. Only for sizes that are not refused.
  void (*run)(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k);
  /// Why the rung cannot take these sizes, as a sentence; empty if it can.
  std::string (*refusal)(int64_t m, int64_t n, int64_t k);
  Operands operands = Operands::f32;
};

/// A convolution without bias, residual and ReLU, or one of its gradients: NHWC and OHWI, `out` assigned.
///   forward          y from x and w
///   data gradient    dx from dy and w
///   weight gradient  dw from dy and x
struct ConvRung {
  const char* name;
  const char* idea;
  void (*run)(float* out, const float* first, const float* second, const Conv2dShape& shape);
  std::string (*refusal)(const Conv2dShape& shape);
  Operands operands = Operands::f32;
};

/// cuda::batchnorm_forward_train without the running statistics: y, saved_mean and saved_inv_std are
/// assigned; residual may be null.
struct BatchnormRung {
  const char* name;
  const char* idea;
  void (*run)(float* y, float* saved_mean, float* saved_inv_std, const float* x, const float* weight,
              const float* bias, const float* residual, bool relu, double eps, int64_t rows,
              int64_t channels);
  std::string (*refusal)(int64_t rows, int64_t channels);
};

/// From the slowest to the shipped kernel.
std::span<const GemmRung> gemm_rungs();
std::span<const ConvRung> conv_rungs();
std::span<const ConvRung> conv_backward_data_rungs();
std::span<const ConvRung> conv_backward_weight_rungs();
std::span<const BatchnormRung> batchnorm_rungs();

}  // namespace signet::cuda::ladder
