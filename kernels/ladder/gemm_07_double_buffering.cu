// Idea: there are two of each tile. While one is multiplied, cp.async copies the next from global into
// shared memory, past the registers; the warp does not wait for it. One barrier a step is left, because
// the copies of a step go into the tile that nobody reads.
//
// Limiter: multiply-adds, if enough blocks fill the device; a single tile in flight hides little of the
// latency. The shipped kernel has three or four stages.
//
// Counted at 256 x 256 x 256: 32,768 sectors read, all of them asked for, 6.4 a request since A, which is
// turned on its way, is copied 4 bytes a lane; 1024 arrivals of warps at barriers instead of gemm_06's
// 2048; 139,264 wavefronts, no conflicts. 128 registers, 16.3 KiB of shared memory.
//
// Refuses n that is no multiple of 4, since rows of B are copied 16 bytes at a time, and what gemm_00
// does.

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
constexpr int kPad = 4;  // between the rows of a_tile: 8 x 4 places of a warp's copies, 32 banks
static_assert(kRows / kWarpRows * (kCols / kWarpCols) * 32 == kThreads, "a warp for each tile");
static_assert(kThreads * 4 == kStep * kCols, "one copy of 16 bytes a thread and tile of B");

/// Reads four neighbours in one instruction; `from` is a multiple of 16 bytes.
__device__ void read4(float* to, const float* from) {
  const float4 four = *reinterpret_cast<const float4*>(from);
  to[0] = four.x, to[1] = four.y, to[2] = four.z, to[3] = four.w;
}

__global__ void __launch_bounds__(kThreads)
    gemm_double_buffering_kernel(float* c, const float* a, const float* b, int m, int n, int k) {
  alignas(16) __shared__ float a_tile[2][kStep][kRows + kPad];  // [buffer][l][row]
  alignas(16) __shared__ float b_tile[2][kStep][kCols];         // [buffer][l][column]

  const int thread = threadIdx.x;
  const int first_row = blockIdx.x * kRows, first_col = blockIdx.y * kCols;
  const int warp = thread / 32, lane = thread % 32;
  const int y = warp / (kCols / kWarpCols) * kWarpRows + lane / kLaneCols * 4;
  const int x = warp % (kCols / kWarpCols) * kWarpCols + lane % kLaneCols * 4;
  const int a_row = thread / kStep, a_l = thread % kStep;
  const int b_l = thread / (kCols / 4), b_col = thread % (kCols / 4) * 4;

  // Starts this thread's part of the copies of the tiles at k0. A copy cannot turn 16 bytes of A, so A goes 4
  // bytes at a time; what is not `inside` becomes zero and is not read.
  const auto start_copies = [&](int buffer, int k0) {
    for (int part = 0; part < kRows; part += kThreads / kStep) {
      const int row = first_row + a_row + part, l = k0 + a_l;
      const bool inside = row < m && l < k;
      ptx::cp_async_4(&a_tile[buffer][a_l][a_row + part], inside ? a + row * k + l : a, inside);
    }
    const int l = k0 + b_l, col = first_col + b_col;
    const bool inside = l < k && col < n;
    ptx::cp_async_16(&b_tile[buffer][b_l][b_col], inside ? b + l * n + col : b, inside);
    ptx::cp_async_commit();
  };

  float sum[8][8] = {};
  start_copies(0, 0);
  for (int k0 = 0, buffer = 0; k0 < k; k0 += kStep, buffer ^= 1) {
    ptx::cp_async_wait<0>();  // this thread's copies into `buffer` have arrived
    __syncthreads();          // so have those of the others, and nobody reads the other buffer any more
    if (k0 + kStep < k) start_copies(buffer ^ 1, k0 + kStep);
    for (int l = 0; l < kStep; ++l) {
      float a_value[8], b_value[8];
      read4(a_value, &a_tile[buffer][l][y]);
      read4(a_value + 4, &a_tile[buffer][l][y + kRowGap]);
      read4(b_value, &b_tile[buffer][l][x]);
      read4(b_value + 4, &b_tile[buffer][l][x + kColGap]);
      for (int i = 0; i < 8; ++i) {
        for (int j = 0; j < 8; ++j) sum[i][j] = fmaf(a_value[i], b_value[j], sum[i][j]);
      }
    }
  }
  for (int i = 0; i < 8; ++i) {
    const int row = first_row + y + i % 4 + i / 4 * kRowGap;
    for (int j = 0; j < 8; j += 4) {
      const int col = first_col + x + j / 4 * kColGap;
      if (row < m && col < n) {
        *reinterpret_cast<float4*>(c + row * n + col) =
            make_float4(sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]);
      }
    }
  }
}

void run(float* c, const float* a, const float* b, int64_t m, int64_t n, int64_t k) {
  launch(gemm_double_buffering_kernel, dim3(tiles(m, kRows), tiles(n, kCols)), dim3(kThreads), 0,
         current_stream(), c, a, b, m, n, k);
}

std::string refusal(int64_t m, int64_t n, int64_t k) {
  if (n % 4 != 0) return "Rows of B are copied 16 bytes at a time: n has to be a multiple of 4.";
  return gemm_size_refusal(m, n, k);
}

}  // namespace

GemmRung gemm_07_double_buffering() {
  return {.name = "gemm_07_double_buffering",
          .idea = "While a tile is multiplied, the next one travels from global to shared memory by itself.",
          .run = run,
          .refusal = refusal};
}

}  // namespace signet::cuda::ladder
