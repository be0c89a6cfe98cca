// Idea: 32 threads share a channel and take its rows in turn; their sums meet as a tree in shared memory
// (reduce_over_y). A warp is still 32 neighbouring channels of one row. Giving a channel to a warp instead
// would be the mistake to make here: its lanes would read a row apart, a sector each.
//
// Limiter: parallelism, 32 times less so: one block for 32 channels.
//
// Counted for 1568 rows of 64 channels with residual and ReLU (x is 12,544 sectors): two blocks of 1024
// threads; 62,720 sectors read, as in rung 00, 508 wavefronts of shared memory, no conflicts. 32
// registers.
//
// Refuses what rung 00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kColumns = 32, kRows = 32;  // of threads: a warp reads 32 neighbouring channels of a row

__global__ void __launch_bounds__(kColumns* kRows)
    batchnorm_rows_in_parallel_kernel(float* y, float* saved_mean, float* saved_inv_std, const float* x,
                                      const float* weight, const float* bias, float eps, int rows,
                                      int channels) {
  __shared__ float of_channel[2][kColumns];  // mean, then inv_std
  const int lane = threadIdx.x, c = blockIdx.x * kColumns + lane;
  const int end = c < channels ? rows : 0;  // threads beyond the channels stay for the barriers

  float sum = 0;
  for (int row = threadIdx.y; row < end; row += kRows) sum += x[row * channels + c];
  sum = reduce_over_y<kColumns, kRows>(sum, Plus());
  if (threadIdx.y == 0) of_channel[0][lane] = sum / rows;
  __syncthreads();
  const float mean = of_channel[0][lane];

  float squares = 0;
  for (int row = threadIdx.y; row < end; row += kRows) {
    const float distance = x[row * channels + c] - mean;
    squares += distance * distance;
  }
  squares = reduce_over_y<kColumns, kRows>(squares, Plus());
  if (threadIdx.y == 0) of_channel[1][lane] = 1 / sqrtf(squares / rows + eps);
  __syncthreads();
  const float inv_std = of_channel[1][lane];

  if (threadIdx.y == 0 && c < channels) {
    saved_mean[c] = mean;
    saved_inv_std[c] = inv_std;
  }
  for (int row = threadIdx.y; row < end; row += kRows)
    y[row * channels + c] = weight[c] * ((x[row * channels + c] - mean) * inv_std) + bias[c];
}

void run(float* y, float* saved_mean, float* saved_inv_std, const float* x, const float* weight,
         const float* bias, const float* residual, bool relu, double eps, int64_t rows, int64_t channels) {
  launch(batchnorm_rows_in_parallel_kernel, dim3(tiles(channels, kColumns)), dim3(kColumns, kRows), 0,
         current_stream(), y, saved_mean, saved_inv_std, x, weight, bias, eps, rows, channels);
  add_and_clamp(y, residual, relu, rows * channels);
}

}  // namespace

BatchnormRung batchnorm_01_rows_in_parallel() {
  return {.name = "batchnorm_01_rows_in_parallel",
          .idea = "32 threads share a channel, take its rows in turn, and add up their sums as a tree.",
          .run = run,
          .refusal = batchnorm_size_refusal};
}

}  // namespace signet::cuda::ladder
