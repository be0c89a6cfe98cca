// Softmax and cross-entropy: a warp a row. With m the maximum of a row and S = sum exp(z - m), p[c] =
// exp(z[c] - m) / S and -log p[c] = log S - (z[c] - m). Exponentials are float's; their sum and what becomes
// of it are double, so that a loss near 0 (S near 1) keeps its digits.

#include <cmath>

#include "kernels/cuda/elements.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/runtime.h"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kSumThreads = 256;

/// The row of this warp, for blocks of kWarps warps.
__device__ int64_t warp_row() {
  return int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarpSize;
}
__device__ int lane() {
  return int(threadIdx.x % kWarpSize);
}

struct RowSums {
  float maximum;
  double sum;  ///< of exp(z - maximum)
};

// p = softmax(z) for one row, by a whole warp.
__device__ RowSums softmax_row(float* p, const float* z, int64_t cols) {
  float maximum = -INFINITY;
  for (int64_t c = lane(); c < cols; c += kWarpSize) maximum = fmaxf(maximum, z[c]);
  maximum = warp_reduce(maximum, Maximum());
  double sum = 0;
  for (int64_t c = lane(); c < cols; c += kWarpSize) {
    const float e = expf(z[c] - maximum);
    p[c] = e;
    sum += double(e);
  }
  sum = warp_sum(sum);
  const float inverse = float(1 / sum);
  for (int64_t c = lane(); c < cols; c += kWarpSize) p[c] *= inverse;
  return {maximum, sum};
}

__global__ void softmax_kernel(float* p, const float* __restrict__ logits, int64_t rows, int64_t cols) {
  const int64_t row = warp_row();
  if (row < rows) softmax_row(p + row * cols, logits + row * cols, cols);
}

__device__ float weight_of(const float* class_weight, int64_t c) {
  return class_weight ? class_weight[c] : 1;
}

struct Smoothing {
  double own, each;  ///< 1 - s, and s / classes
};

// row_loss[row] = l_row.
__global__ void cross_entropy_rows_kernel(double* row_loss, float* p, const float* __restrict__ logits,
                                          const int32_t* __restrict__ target,
                                          const float* __restrict__ class_weight, Smoothing smoothing,
                                          int64_t rows, int64_t classes) {
  const int64_t row = warp_row();
  if (row >= rows) return;
  const float* z = logits + row * classes;
  const RowSums s = softmax_row(p + row * classes, z, classes);
  const double log_sum = log(s.sum);
  const auto minus_log_p = [&](int64_t c) { return log_sum - (double(z[c]) - double(s.maximum)); };
  double spread = 0;
  if (smoothing.each != 0) {
    for (int64_t c = lane(); c < classes; c += kWarpSize)
      spread += double(weight_of(class_weight, c)) * minus_log_p(c);
    spread = warp_sum(spread);
  }
  if (lane() == 0) {
    const int32_t t = target[row];
    row_loss[row] =
        smoothing.own * double(weight_of(class_weight, t)) * minus_log_p(t) + smoothing.each * spread;
  }
}

// sum of u[target]: by one block, the same bits for every thread.
__device__ double sum_of_weights(const int32_t* target, const float* class_weight, int64_t rows) {
  double weights = 0;
  for (int64_t row = threadIdx.x; row < rows; row += kSumThreads)
    weights += double(weight_of(class_weight, target[row]));
  return block_sum<kSumThreads>(weights);
}

// One block.
__global__ void mean_loss_kernel(float* loss, const double* __restrict__ row_loss,
                                 const int32_t* __restrict__ target, const float* __restrict__ class_weight,
                                 int64_t rows) {
  double sum = 0;
  for (int64_t row = threadIdx.x; row < rows; row += kSumThreads) sum += row_loss[row];
  sum = block_sum<kSumThreads>(sum);
  const double weights = sum_of_weights(target, class_weight, rows);
  if (threadIdx.x == 0) *loss = float(sum / weights);
}

struct GradientScale {
  float factor;  ///< dloss / sum of u[target]
  float all;     ///< sum of u
};

// One block.
__global__ void gradient_scale_kernel(GradientScale* scale, const float* __restrict__ dloss,
                                      const int32_t* __restrict__ target,
                                      const float* __restrict__ class_weight, int64_t rows, int64_t classes) {
  double all = 0;
  for (int64_t c = threadIdx.x; c < classes; c += kSumThreads) all += double(weight_of(class_weight, c));
  all = block_sum<kSumThreads>(all);
  const double weights = sum_of_weights(target, class_weight, rows);
  if (threadIdx.x == 0) *scale = {float(double(*dloss) / weights), float(all)};
}

__global__ void cross_entropy_backward_kernel(float* dlogits, const GradientScale* __restrict__ scale,
                                              const float* __restrict__ p, const int32_t* __restrict__ target,
                                              const float* __restrict__ class_weight, float own_share,
                                              float each, int64_t rows, int64_t classes) {
  const int64_t row = warp_row();
  if (row >= rows) return;
  const auto [factor, all] = *scale;
  const int32_t t = target[row];
  const float own = own_share * weight_of(class_weight, t);
  for (int64_t c = lane(); c < classes; c += kWarpSize) {
    const float probability = p[row * classes + c];
    const float gradient = own * (probability - (c == t ? 1.0f : 0.0f)) +
                           each * (probability * all - weight_of(class_weight, c));
    dlogits[row * classes + c] = factor * gradient;
  }
}

dim3 grid_of(int64_t rows) {
  return dim3(unsigned(ceil_div(rows, kWarps)));
}

constexpr int kRowThreads = kWarps * kWarpSize;

}  // namespace

void softmax_forward(float* p, const float* logits, int64_t rows, int64_t cols) {
  launch(softmax_kernel, grid_of(rows), dim3(kRowThreads), 0, current_stream(), p, logits, rows, cols);
}

void cross_entropy_forward(float* loss, float* p, const float* logits, const int32_t* target,
                           const float* class_weight, double smoothing, int64_t rows, int64_t classes) {
  auto* row_loss = static_cast<double*>(workspace(rows * int64_t(sizeof(double))));
  launch(cross_entropy_rows_kernel, grid_of(rows), dim3(kRowThreads), 0, current_stream(), row_loss, p,
         logits, target, class_weight, Smoothing{1 - smoothing, smoothing / double(classes)}, rows, classes);
  launch(mean_loss_kernel, dim3(1), dim3(kSumThreads), 0, current_stream(), loss, row_loss, target,
         class_weight, rows);
}

void cross_entropy_backward(float* dlogits, const float* dloss, const float* p, const int32_t* target,
                            const float* class_weight, double smoothing, int64_t rows, int64_t classes) {
  auto* scale = static_cast<GradientScale*>(workspace(sizeof(GradientScale)));
  launch(gradient_scale_kernel, dim3(1), dim3(kSumThreads), 0, current_stream(), scale, dloss, target,
         class_weight, rows, classes);
  launch(cross_entropy_backward_kernel, grid_of(rows), dim3(kRowThreads), 0, current_stream(), dlogits, scale,
         p, target, class_weight, float(1 - smoothing), float(smoothing / double(classes)), rows, classes);
}

}  // namespace signet::cuda
