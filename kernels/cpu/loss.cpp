// Softmax and cross-entropy. A batch of logits is a few thousand values, so rows are the only parallelism and
// the arithmetic is double: with m the maximum of a row, log p[c] = (z[c] - m) - log sum exp(z - m).

#include <cmath>

#include "kernels/cpu/chunks.h"
#include "kernels/cpu/scratch.h"
#include "kernels/kernels.h"

namespace signet::cpu {
namespace {

constexpr int64_t kGrain = 1 << 12;

int64_t row_grain(int64_t cols) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, cols));
}

// p = softmax(z); returns log sum exp(z).
double softmax_row(float* p, const float* z, int64_t cols) {
  double max = z[0];
  for (int64_t c = 1; c < cols; ++c) max = std::max<double>(max, z[c]);
  double sum = 0;
  for (int64_t c = 0; c < cols; ++c) sum += std::exp(z[c] - max);
  for (int64_t c = 0; c < cols; ++c) p[c] = float(std::exp(z[c] - max) / sum);
  return max + std::log(sum);
}

double weight_of(const float* class_weight, int64_t c) {
  return class_weight ? class_weight[c] : 1;
}

}  // namespace

void softmax_forward(float* p, const float* logits, int64_t rows, int64_t cols) {
  if (cols == 0) return;
  parallel_ranges(rows, row_grain(cols), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r) softmax_row(p + r * cols, logits + r * cols, cols);
  });
}

void cross_entropy_forward(float* loss, float* p, const float* logits, const int32_t* target,
                           const float* class_weight, double smoothing, int64_t rows, int64_t classes) {
  double* row_loss = reinterpret_cast<double*>(scratch(Scratch::partials, 2 * rows));
  parallel_ranges(rows, row_grain(classes), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r) {
      const float* z = logits + r * classes;
      const double lse = softmax_row(p + r * classes, z, classes);
      double spread = 0;
      if (smoothing != 0)
        for (int64_t c = 0; c < classes; ++c) spread += weight_of(class_weight, c) * (lse - z[c]);
      const int32_t t = target[r];
      row_loss[r] =
          (1 - smoothing) * weight_of(class_weight, t) * (lse - z[t]) + smoothing / double(classes) * spread;
    }
  });
  double sum = 0, weights = 0;
  for (int64_t r = 0; r < rows; ++r) {
    sum += row_loss[r];
    weights += weight_of(class_weight, target[r]);
  }
  *loss = float(sum / weights);
}

void cross_entropy_backward(float* dlogits, const float* dloss, const float* p, const int32_t* target,
                            const float* class_weight, double smoothing, int64_t rows, int64_t classes) {
  double weights = 0, all = 0;
  for (int64_t r = 0; r < rows; ++r) weights += weight_of(class_weight, target[r]);
  for (int64_t c = 0; c < classes; ++c) all += weight_of(class_weight, c);
  const double factor = *dloss / weights, even = smoothing / double(classes);
  parallel_ranges(rows, row_grain(classes), [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t r = begin; r < end; ++r) {
      const int32_t t = target[r];
      const double own = (1 - smoothing) * weight_of(class_weight, t);
      for (int64_t c = 0; c < classes; ++c) {
        const double probability = p[r * classes + c];
        const double gradient =
            own * (probability - double(c == t)) + even * (probability * all - weight_of(class_weight, c));
        dlogits[r * classes + c] = float(factor * gradient);
      }
    }
  });
}

}  // namespace signet::cpu
