// Idea: threadIdx.x runs along columns instead of rows. A warp's lanes then read 32 neighbours of B, which
// lie in 4 sectors, and one and the same element of A. Two letters change places, nothing else.
//
// Limiter: still memory: every element of A is read n times, every element of B m times, and caches have
// to serve that.
//
// Counted at 256 x 256 x 256: 2,621,440 sectors read, 2.5 a request (1 for A, 4 for B), 6.6 times fewer
// than gemm_00; all that is moved was asked for. Still one fused multiply-add for two loads. 32 registers.
//
// Refuses what gemm_00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kSide = 32;  // a block computes kSide x kSide elements of C, one a thread

__global__ void __launch_bounds__(kSide* kSide)
    gemm_coalesced_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  const int row = blockIdx.x * kSide + threadIdx.y;
  const int col = blockIdx.y * kSide + threadIdx.x;  // neighbouring threads, neighbouring columns
  if (row >= m || col >= n) return;
  float sum = 0;
  for (int l = 0; l < k; ++l) sum = fmaf(a[row * k + l], b[l * n + col], sum);
  c[row * n + col] = sum;
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_coalesced_kernel, dim3(tiles(m, kSide), tiles(n, kSide)), dim3(kSide, kSide), 0,
         current_stream(), c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_01_coalesced() {
  return {.name = "gemm_01_coalesced",
          .idea = "The 32 threads of a warp take neighbouring columns, so that their loads share sectors.",
          .run = run,
          .refusal = gemm_size_refusal};
}

}  // namespace signet::cuda::ladder
