// Matrix products: the engine of the convolutions (gather_gemm.h) with a filter of one tap.

#include "kernels/cpu/gather_gemm.h"
#include "kernels/kernels.h"

namespace signet::cpu {
namespace {
// The rows of a batch. The product is stored turned, a number at a time.
constexpr int64_t kFewRows = 64;
}  // namespace

void gemm(float* c, const float* a, const float* b, Transpose transpose_a, Transpose transpose_b, int64_t m,
          int64_t n, int64_t k, Accumulate accumulate) {
  const bool by_column = transpose_b == Transpose::yes;
  if (by_column && transpose_a == Transpose::no && m <= kFewRows && m < n) {
    // The right one of two matrices stored along k is turned, panel by panel, and the left one copied. So a
    // batch stands right, rather than a dense layer's weights: c' = b a'.
    GatherGemm<float> problem{.left = {.x = b, .width = n, .channels = k, .grid_width = n},
                              .rows = n,
                              .columns = m,
                              .right = a,
                              .right_row_stride = 1,
                              .right_column_stride = k,
                              .out = c,
                              .pixel_stride = 1,
                              .column_stride = n,
                              .residual = accumulate == Accumulate::yes ? c : nullptr};
    problem.left.add_tap({});
    return gather_gemm(problem);
  }
  GatherGemm<float> problem{.left = {.x = a,
                                     .width = m,
                                     .channels = k,
                                     .grid_width = m,
                                     .transposed = transpose_a == Transpose::yes},
                            .rows = m,
                            .columns = n,
                            .right = b,
                            .right_row_stride = by_column ? 1 : n,
                            .right_column_stride = by_column ? k : 1,
                            .out = c,
                            .pixel_stride = n,
                            .residual = accumulate == Accumulate::yes ? c : nullptr};
  problem.left.add_tap({});
  gather_gemm(problem);
}

}  // namespace signet::cpu
