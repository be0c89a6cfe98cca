// Idea: one reading of x for both statistics. Each thread updates a mean and a sum of squared distances
// from it with every row, and two such pairs can be merged (moments.cuh). E[x^2] - E[x]^2 would need one
// reading too, and cancels: at mean 300 a single rounding already moves a variance of 1 by 0.005.
//
// Limiter: a division for every element, and parallelism as before.
//
// Counted for 1568 rows of 64 channels with residual and ReLU (x is 12,544 sectors): 50,176 sectors read,
// x less than rung 01: two readings of it. 822 wavefronts of shared memory, no conflicts. 32 registers.
//
// Refuses what rung 00 does.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/moments.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kColumns = 32, kRows = 32;  // of threads

__global__ void __launch_bounds__(kColumns* kRows)
    batchnorm_welford_kernel(float* y, float* saved_mean, float* saved_inv_std, const float* x,
                             const float* weight, const float* bias, float eps, int rows, int channels) {
  __shared__ float mean_of[kColumns], inv_std_of[kColumns];
  const int lane = threadIdx.x, c = blockIdx.x * kColumns + lane;
  const int end = c < channels ? rows : 0;  // threads beyond the channels stay for the barriers

  Moments moments = {};
  for (int row = threadIdx.y; row < end; row += kRows) moments.add(x[row * channels + c]);
  moments = reduce_over_y<kColumns, kRows>(moments, MergeMoments());
  if (threadIdx.y == 0) {
    mean_of[lane] = moments.mean;
    inv_std_of[lane] = 1 / sqrtf(moments.squares / rows + eps);
  }
  __syncthreads();
  const float mean = mean_of[lane], inv_std = inv_std_of[lane];

  if (threadIdx.y == 0 && c < channels) {
    saved_mean[c] = mean;
    saved_inv_std[c] = inv_std;
  }
  for (int row = threadIdx.y; row < end; row += kRows)
    y[row * channels + c] = weight[c] * ((x[row * channels + c] - mean) * inv_std) + bias[c];
}

void run(float* y, float* saved_mean, float* saved_inv_std, const float* x, const float* weight,
         const float* bias, const float* residual, bool relu, double eps, int64_t rows, int64_t channels) {
  launch(batchnorm_welford_kernel, dim3(tiles(channels, kColumns)), dim3(kColumns, kRows), 0,
         current_stream(), y, saved_mean, saved_inv_std, x, weight, bias, eps, rows, channels);
  add_and_clamp(y, residual, relu, rows * channels);
}

}  // namespace

BatchnormRung batchnorm_02_welford() {
  return {.name = "batchnorm_02_welford",
          .idea = "Mean and variance come from one reading of x, updated with each row.",
          .run = run,
          .refusal = batchnorm_size_refusal};
}

}  // namespace signet::cuda::ladder
