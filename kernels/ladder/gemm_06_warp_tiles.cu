// Idea: the threads of a warp form a tile of their own. In gemm_05 a warp is two rows of 16 threads: in a
// step of k it reads 16 different values of A and 128 of B. As 8 rows of 4 threads it reads 64 and 32: 96
// in place of 144, for the same 2048 products.
//
// Limiter: waiting for global memory; shared memory has become quiet.
//
// Counted at 256 x 256 x 256: 32,768 sectors read, 16 a request. The wavefronts of shared memory stay
// 139,264, since reads of 16 bytes are counted a quarter of a warp at a time, and a quarter reads 128
// bytes at most either way; whether a card serves equal quarters together is not documented, and no card
// was asked. 16 fused multiply-adds a load. 128 registers, 8.1 KiB of shared memory.
//
// Refuses what gemm_05 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kRows = 128, kCols = 128;        // of C's tile
constexpr int kStep = 8;                       // along k
constexpr int kWarpRows = 64, kWarpCols = 32;  // of a warp's tile, 8 of them in C's tile
constexpr int kLaneCols = 4;                   // lanes side by side in it, 8 below each other
constexpr int kThreads = 256;
constexpr int kRowGap = 32, kColGap = 16;  // between the 4 x 4 blocks of a thread's 8 x 8 elements
constexpr int kPad = 4;                    // between the rows of a_tile, as in the rung before
static_assert(kRows / kWarpRows * (kCols / kWarpCols) * 32 == kThreads, "a warp for each tile");
static_assert(kThreads * 4 == kRows * kStep && kThreads * 4 == kStep * kCols, "one float4 a thread and tile");

// Four neighbours in one instruction; their address is a multiple of 16 bytes.
__device__ float4 load4(const float* from) {
  return *reinterpret_cast<const float4*>(from);
}

__device__ void store4(float* to, float4 four) {
  *reinterpret_cast<float4*>(to) = four;
}

__device__ void read4(float* to, const float* from) {
  const float4 four = load4(from);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

__global__ void __launch_bounds__(kThreads)
    gemm_warp_tiles_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  alignas(16) __shared__ float a_tile[kStep][kRows + kPad];  // transposed: [l][row]
  alignas(16) __shared__ float b_tile[kStep][kCols];         // [l][column]

  const int thread = threadIdx.x;
  const int first_row = blockIdx.x * kRows, first_col = blockIdx.y * kCols;
  const int warp = thread / 32, lane = thread % 32;
  const int y = warp / (kCols / kWarpCols) * kWarpRows + lane / kLaneCols * 4;
  const int x = warp % (kCols / kWarpCols) * kWarpCols + lane % kLaneCols * 4;
  const int a_row = thread / (kStep / 4), a_l = thread % (kStep / 4) * 4;
  const int b_l = thread / (kCols / 4), b_col = thread % (kCols / 4) * 4;
  const float4 zeros = make_float4(0, 0, 0, 0);

  float sum[8][8] = {};
  for (int k0 = 0; k0 < k; k0 += kStep) {
    const bool a_inside = first_row + a_row < m && k0 + a_l < k;
    const float4 a4 = a_inside ? load4(a + (first_row + a_row) * k + k0 + a_l) : zeros;
    a_tile[a_l][a_row] = a4.x;
    a_tile[a_l + 1][a_row] = a4.y;
    a_tile[a_l + 2][a_row] = a4.z;
    a_tile[a_l + 3][a_row] = a4.w;
    const bool b_inside = k0 + b_l < k && first_col + b_col < n;
    store4(&b_tile[b_l][b_col], b_inside ? load4(b + (k0 + b_l) * n + first_col + b_col) : zeros);
    __syncthreads();
    for (int l = 0; l < kStep; ++l) {
      float a_value[8], b_value[8];
      read4(a_value, &a_tile[l][y]);
      read4(a_value + 4, &a_tile[l][y + kRowGap]);
      read4(b_value, &b_tile[l][x]);
      read4(b_value + 4, &b_tile[l][x + kColGap]);
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(a_value[i], b_value[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 8; ++i) {
    const int row = first_row + y + i % 4 + i / 4 * kRowGap;
    for (int j = 0; j < 8; j += 4) {
      const int col = first_col + x + j / 4 * kColGap;
      if (row < m && col < n) {
        store4(c + row * n + col, make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]));
      }
    }
  }
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_warp_tiles_kernel, dim3(tiles(m, kRows), tiles(n, kCols)), dim3(kThreads), 0, current_stream(),
         c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_06_warp_tiles() {
  return {
      .name = "gemm_06_warp_tiles",
      .idea = "The threads of a warp form a tile that is nearly square, which reads fewer values of A and B.",
      .run = run,
      .refusal = gemm_vector_refusal};
}

}  // namespace signet::cuda::ladder
