// Idea: a thread computes eight elements of C, one below the other. They share a column of B, so one value
// from b_tile, kept in a register, serves eight products. The tile of C grows to 64 x 64.
//
// Limiter: shared memory still, at nine loads for eight products.
//
// Counted at 256 x 256 x 256: 65,536 sectors read, half of gemm_02's, because the tile is twice as wide;
// 606,208 wavefronts of shared memory, no conflicts; 0.89 fused multiply-adds a load from it, where
// gemm_02 has 0.5. 45 registers, 4 KiB of shared memory.
//
// Refuses what gemm_00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kRows = 64, kCols = 64;  // of C's tile
constexpr int kStep = 8;               // along k
constexpr int kPerThread = 8;          // elements of C, one below the other
constexpr int kThreads = kRows / kPerThread * kCols;
static_assert(kThreads == kRows * kStep && kThreads == kCols * kStep,
              "each thread fills one place of either tile");

__global__ void __launch_bounds__(kThreads)
    gemm_thread_column_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  __shared__ float a_tile[kRows][kStep];  // [row][l]
  __shared__ float b_tile[kStep][kCols];  // [l][column]

  const int thread = threadIdx.x;
  const int first_row = blockIdx.x * kRows, first_col = blockIdx.y * kCols;
  const int y = thread / kCols * kPerThread, x = thread % kCols;  // the column of C this thread computes
  const int a_y = thread / kStep, a_x = thread % kStep;           // the places it fills
  const int b_y = thread / kCols, b_x = thread % kCols;

  float sum[kPerThread] = {};
  for (int k0 = 0; k0 < k; k0 += kStep) {
    const bool a_inside = first_row + a_y < m && k0 + a_x < k;
    const bool b_inside = k0 + b_y < k && first_col + b_x < n;
    a_tile[a_y][a_x] = a_inside ? a[(first_row + a_y) * k + k0 + a_x] : 0.0F;
    b_tile[b_y][b_x] = b_inside ? b[(k0 + b_y) * n + first_col + b_x] : 0.0F;
    __syncthreads();
    for (int l = 0; l < kStep; ++l) {
      const float b_value = b_tile[l][x];  // read once, used kPerThread times
      for (int i = 0; i < kPerThread; ++i) sum[i] = fmaf(a_tile[y + i][l], b_value, sum[i]);
    }
    __syncthreads();
  }
  for (int i = 0; i < kPerThread; ++i) {
    const int row = first_row + y + i, col = first_col + x;
    if (row < m && col < n) c[row * n + col] = sum[i];
  }
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_thread_column_kernel, dim3(tiles(m, kRows), tiles(n, kCols)), dim3(kThreads), 0,
         current_stream(), c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_03_thread_column() {
  return {
      .name = "gemm_03_thread_column",
      .idea = "A thread computes eight elements of a column, so that one value of B serves eight products.",
      .run = run,
      .refusal = gemm_size_refusal};
}

}  // namespace signet::cuda::ladder
