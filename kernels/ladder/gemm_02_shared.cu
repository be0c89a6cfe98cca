// Idea: the 1024 threads of a block compute 32 x 32 elements of C, which need 32 rows of A and 32 columns
// of B. They load a piece of both, 32 long, into shared memory, each thread an element, and each element
// is then read 32 times from there.
//
// Limiter: shared memory. Each product takes two loads from it, one a broadcast and one a row of 32 words.
//
// Counted at 256 x 256 x 256: 131,072 sectors read, 20 times fewer than gemm_01; 1,081,344 wavefronts of
// shared memory, no conflicts: 2 for each warp's fused multiply-add. 30 registers, 8 KiB of shared memory.
//
// Refuses what gemm_00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kSide = 32;  // of C's tile and of the tiles of A and B: each thread fills one place of each

__global__ void __launch_bounds__(kSide* kSide)
    gemm_shared_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  __shared__ float a_tile[kSide][kSide];  // [row][l]
  __shared__ float b_tile[kSide][kSide];  // [l][column]

  const int y = threadIdx.y, x = threadIdx.x;
  const int row = blockIdx.x * kSide + y;
  const int col = blockIdx.y * kSide + x;

  float sum = 0;
  for (int k0 = 0; k0 < k; k0 += kSide) {
    // Outside the matrices stand zeros, which add nothing: no thread leaves early, all meet at the barriers.
    a_tile[y][x] = row < m && k0 + x < k ? a[row * k + k0 + x] : 0.0F;
    b_tile[y][x] = k0 + y < k && col < n ? b[(k0 + y) * n + col] : 0.0F;
    __syncthreads();  // the tiles are complete
    for (int l = 0; l < kSide; ++l) sum = fmaf(a_tile[y][l], b_tile[l][x], sum);
    __syncthreads();  // nobody still reads what the next step overwrites
  }
  if (row < m && col < n) c[row * n + col] = sum;
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_shared_kernel, dim3(tiles(m, kSide), tiles(n, kSide)), dim3(kSide, kSide), 0, current_stream(),
         c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_02_shared() {
  return {
      .name = "gemm_02_shared",
      .idea = "A block loads a tile of A and of B into shared memory once and reads each element 32 times.",
      .run = run,
      .refusal = gemm_size_refusal};
}

}  // namespace signet::cuda::ladder
