// Idea: one thread for each channel, three loops over its column: the mean, the variance from it, y. In
// NHWC the lanes of a warp have neighbouring channels, so the loads are as they should be. Residual and
// ReLU are kernels of their own.
//
// Limiter: parallelism. ResNet's widest layer has 512 channels: two blocks, and each thread has one load
// on its way at a time.
//
// Counted for 1568 rows of 64 channels with residual and ReLU (x is 12,544 sectors): one block. 62,720
// sectors read, 5 times x: three readings of it, and weight and bias again for every row; residual and
// ReLU read 37,632 more, and write y twice more. All were asked for. 32 registers.
//
// Refuses no rows, and 2^31 elements, since it indexes with int.

#include <cmath>

#include "kernels/cuda/platform.cuh"
#include "kernels/cuda/stream.cuh"
#include "kernels/ladder/rungs.h"

namespace signet::cuda::ladder {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads)
    batchnorm_thread_per_channel_kernel(float* y, float* saved_mean, float* saved_inv_std, const float* x,
                                        const float* weight, const float* bias, float eps, int rows,
                                        int channels) {
  const int c = blockIdx.x * kThreads + threadIdx.x;
  if (c >= channels) return;
  float mean = 0, variance = 0;
  for (int row = 0; row < rows; ++row) mean += x[row * channels + c];
  mean /= rows;
  for (int row = 0; row < rows; ++row) {
    const float distance = x[row * channels + c] - mean;
    variance += distance * distance;
  }
  variance /= rows;
  const float inv_std = 1 / sqrtf(variance + eps);
  saved_mean[c] = mean;
  saved_inv_std[c] = inv_std;
  for (int row = 0; row < rows; ++row)
    y[row * channels + c] = weight[c] * ((x[row * channels + c] - mean) * inv_std) + bias[c];
}

void run(float* y, float* saved_mean, float* saved_inv_std, const float* x, const float* weight,
         const float* bias, const float* residual, bool relu, double eps, int64_t rows, int64_t channels) {
  launch(batchnorm_thread_per_channel_kernel, dim3(tiles(channels, kThreads)), dim3(kThreads), 0,
         current_stream(), y, saved_mean, saved_inv_std, x, weight, bias, eps, rows, channels);
  add_and_clamp(y, residual, relu, rows * channels);
}

}  // namespace

void add_and_clamp(float* y, const float* residual, bool relu, int64_t n) {
  if (residual) add(y, y, residual, n);
  if (relu) relu_forward(y, y, n);
}

BatchnormRung batchnorm_00_thread_per_channel() {
  return {.name = "batchnorm_00_thread_per_channel",
          .idea = "One thread for each channel reads its column three times: mean, variance, y.",
          .run = run,
          .refusal = batchnorm_size_refusal};
}

}  // namespace signet::cuda::ladder
