// Matrix products: the engine of the convolutions (gather_gemm.h) with a filter of one tap.

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/gather_gemm.h"
#include "kernels/kernels.h"

namespace signet::cpu {

void gemm(float* c, const float* a, const float* b, Transpose transpose_a, Transpose transpose_b, int64_t m,
          int64_t n, int64_t k, Accumulate accumulate) {
  const bool by_column = transpose_b == Transpose::yes;
  GatherGemm problem{.left = {.x = a,
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

void broadcast_rows(float* y, const float* x, int64_t rows, int64_t cols) {
  const int64_t grain = std::max<int64_t>(1, kElementGrain / std::max<int64_t>(1, cols));
  parallel_ranges(rows, grain, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r) std::copy_n(x, cols, y + r * cols);
  });
}

// Columns are the parallelism, and each is summed from the first row to the last in double.
void sum_rows(float* y, const float* x, int64_t rows, int64_t cols, Accumulate accumulate) {
  constexpr int64_t kColumns = 64;
  parallel_ranges(cols, kColumns, [&](int64_t begin, int64_t end, int64_t) {
    double sums[kColumns] = {};
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = begin; c < end; ++c) sums[c - begin] += x[r * cols + c];
    for (int64_t c = begin; c < end; ++c)
      y[c] = float(accumulate == Accumulate::yes ? y[c] + sums[c - begin] : sums[c - begin]);
  });
}

}  // namespace signet::cpu
