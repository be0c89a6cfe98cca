// Idea: four neighbours move in one instruction of 16 bytes. For that A is turned while it is copied, so
// that the rows of a thread lie side by side in a_tile, and a thread's 8 x 8 elements become four squares
// of 4 x 4, 64 apart: the lanes of a warp then read side by side.
//
// Limiter: the number of instructions that are no multiply-adds, and waiting: while a tile is loaded
// nobody multiplies.
//
// Counted at 256 x 256 x 256: 32,768 sectors read, 16 a request, all of them asked for, and so is what is
// written; 139,264 wavefronts of shared memory, no conflicts; 16 fused multiply-adds a load instruction,
// and 256 a load from global memory. 128 registers, 8.1 KiB of shared memory.
//
// Refuses n and k that are no multiples of 4, since rows would not begin at multiples of 16 bytes, and
// what gemm_00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kRows = 128, kCols = 128;  // of C's tile
constexpr int kStep = 8;                 // along k
constexpr int kThreadCols = 16;          // threads side by side; as many below each other
constexpr int kThreads = 256;
constexpr int kHalf = 64;  // a thread's 8 x 8 elements are four 4 x 4 ones, this far apart
constexpr int kPad = 4;    // see the stores into a_tile; a multiple of 4 keeps rows aligned
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
    gemm_vector_loads_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  alignas(16) __shared__ float a_tile[kStep][kRows + kPad];  // transposed: [l][row]
  alignas(16) __shared__ float b_tile[kStep][kCols];         // [l][column]

  const int thread = threadIdx.x;
  const int first_row = blockIdx.x * kRows, first_col = blockIdx.y * kCols;
  const int y = thread / kThreadCols * 4, x = thread % kThreadCols * 4;
  const int a_row = thread / (kStep / 4), a_l = thread % (kStep / 4) * 4;
  const int b_l = thread / (kCols / 4), b_col = thread % (kCols / 4) * 4;
  const float4 zeros = make_float4(0, 0, 0, 0);

  float sum[8][8] = {};
  for (int k0 = 0; k0 < k; k0 += kStep) {
    const bool a_inside = first_row + a_row < m && k0 + a_l < k;
    const float4 a4 = a_inside ? load4(a + (first_row + a_row) * k + k0 + a_l) : zeros;
    // A is turned on its way, so that a thread's rows will lie side by side. The two threads that share a row
    // write 4 rows of a_tile apart: with the padding 16 banks, without it none.
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
      read4(a_value + 4, &a_tile[l][y + kHalf]);
      read4(b_value, &b_tile[l][x]);
      read4(b_value + 4, &b_tile[l][x + kHalf]);
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(a_value[i], b_value[j], sum[i][j]);
      }
    }
    __syncthreads();
  }
  for (int i = 0; i < 8; ++i) {
    const int row = first_row + y + i % 4 + i / 4 * kHalf;
    for (int j = 0; j < 8; j += 4) {
      const int col = first_col + x + j / 4 * kHalf;
      if (row < m && col < n) {
        store4(c + row * n + col, make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]));
      }
    }
  }
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_vector_loads_kernel, dim3(tiles(m, kRows), tiles(n, kCols)), dim3(kThreads), 0,
         current_stream(), c, a, b, m, n, k);
}

}  // namespace

GemmRung gemm_05_vector_loads() {
  return {.name = "gemm_05_vector_loads",
          .idea = "Four neighbours move in one instruction of 16 bytes, from global and from shared memory.",
          .run = run,
          .refusal = gemm_vector_refusal};
}

}  // namespace signet::cuda::ladder
