// Idea: one thread for each element of C. Neighbouring threads take neighbouring rows, as one writes it
// who thinks of i, j and k and not of warps.
//
// Limiter: requests to memory. The 32 lanes of a warp read A at 32 rows, k floats apart: each lane has a
// sector of 32 bytes to itself and uses 4 of them. B is the same address for all of them.
//
// Counted at 256 x 256 x 256: 17,301,504 sectors read, 16.5 a request: 32 for A, 1 for B; 15% of what was
// moved was asked for, and of what was written 12.5%. One fused multiply-add for two loads. 32 registers.
//
// Refuses matrices of 2^31 elements, since it indexes with int, and n above 2^20 (gridDim.y).

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kSide = 32;  // a block computes kSide x kSide elements of C, one a thread

__global__ void __launch_bounds__(kSide* kSide)
    gemm_naive_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  const int row = blockIdx.x * kSide + threadIdx.x;
  const int col = blockIdx.y * kSide + threadIdx.y;
  if (row >= m || col >= n) return;
  float sum = 0;
  for (int l = 0; l < k; ++l) sum = fmaf(a[row * k + l], b[l * n + col], sum);
  c[row * n + col] = sum;
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_naive_kernel, dim3(tiles(m, kSide), tiles(n, kSide)), dim3(kSide, kSide), 0, current_stream(),
         c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_00_naive() {
  return {.name = "gemm_00_naive",
          .idea = "One thread for each element of C, neighbouring threads on neighbouring rows.",
          .run = run,
          .refusal = gemm_size_refusal};
}

}  // namespace signet::cuda::ladder
