// Idea: a thread computes a square of 8 x 8. Of 16 values from shared memory it makes 64 products, all
// held in registers: the outer product of a column and a row. The tile of C grows to 128 x 128.
//
// Limiter: bank conflicts. Neighbouring threads read b_tile 8 words apart, 16 different words in 4 banks;
// the two rows of a_tile that a warp reads are 64 words apart, in one bank. C suffers alike: the lanes of
// a warp store words 32 bytes apart.
//
// Counted at 256 x 256 x 256: 32,768 sectors read; 401,408 wavefronts of shared memory, of which 262,144
// are conflicts: a read of b_tile takes 4 instead of 1, one of a_tile 2. 4 fused multiply-adds a load. Of
// what is written 12.5% was asked for. 112 registers, 8 KiB of shared memory.
//
// Refuses what gemm_00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kRows = 128, kCols = 128;  // of C's tile
constexpr int kStep = 8;                 // along k
constexpr int kSide = 8;                 // of a thread's tile of C
constexpr int kThreadCols = kCols / kSide;
constexpr int kThreads = kRows / kSide * kThreadCols;

__global__ void __launch_bounds__(kThreads)
    gemm_thread_tile_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  __shared__ float a_tile[kRows][kStep];  // [row][l]
  __shared__ float b_tile[kStep][kCols];  // [l][column]

  const int thread = threadIdx.x;
  const int first_row = blockIdx.x * kRows, first_col = blockIdx.y * kCols;
  const int y = thread / kThreadCols * kSide, x = thread % kThreadCols * kSide;

  float sum[kSide][kSide] = {};
  for (int k0 = 0; k0 < k; k0 += kStep) {
    for (int place = thread; place < kRows * kStep; place += kThreads) {
      const int row = first_row + place / kStep, l = k0 + place % kStep;
      a_tile[place / kStep][place % kStep] = row < m && l < k ? a[row * k + l] : 0.0F;
    }
    for (int place = thread; place < kStep * kCols; place += kThreads) {
      const int l = k0 + place / kCols, col = first_col + place % kCols;
      b_tile[place / kCols][place % kCols] = l < k && col < n ? b[l * n + col] : 0.0F;
    }
    __syncthreads();
    for (int l = 0; l < kStep; ++l) {
      // kSide + kSide loads from shared memory, then kSide * kSide products from registers.
      float a_value[kSide], b_value[kSide];
      for (int i = 0; i < kSide; ++i) a_value[i] = a_tile[y + i][l];
      for (int j = 0; j < kSide; ++j) b_value[j] = b_tile[l][x + j];
      for (int i = 0; i < kSide; ++i) {
        for (int j = 0; j < kSide; ++j) sum[i][j] = fmaf(a_value[i], b_value[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < kSide; ++i) {
    for (int j = 0; j < kSide; ++j) {
      const int row = first_row + y + i, col = first_col + x + j;
      if (row < m && col < n) c[row * n + col] = sum[i][j];
    }
  }
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_thread_tile_kernel, dim3(tiles(m, kRows), tiles(n, kCols)), dim3(kThreads), 0, current_stream(),
         c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_04_thread_tile() {
  return {.name = "gemm_04_thread_tile",
          .idea = "A thread computes 8 x 8 elements: 16 loads from shared memory serve 64 products.",
          .run = run,
          .refusal = gemm_size_refusal};
}

}  // namespace signet::cuda::ladder
