// Softmax and cross-entropy over the rows of a matrix of logits z.
//
//   log p[c] = z[c] - m - log sum over j of exp(z[j] - m),   m = max z
//
// m cancels in exact arithmetic; in floating point it keeps every exponent at or below zero and one of them
// at zero, so that the sum lies between 1 and the number of classes: nothing overflows, and the logarithm is
// of nothing small.

#include <algorithm>
#include <cmath>

#include "kernels/ref/scalar.h"

namespace signet::ref {
namespace {

/// log sum exp of one row, so that log p[c] = z[c] - that.
template <class real>
Sum<real> log_sum_exp(const real* z, int64_t cols) {
  double m = std::real(z[0]);
  for (int64_t c = 1; c < cols; ++c) m = std::max<double>(m, std::real(z[c]));
  Sum<real> sum = 0;
  for (int64_t c = 0; c < cols; ++c) sum += std::exp(Sum<real>(z[c]) - m);
  return m + std::log(sum);
}

}  // namespace

template <class real>
void softmax_forward(real* p, const real* logits, int64_t rows, int64_t cols) {
  for (int64_t row = 0; row < rows; ++row, p += cols, logits += cols) {
    if (cols == 0) continue;
    const Sum<real> lse = log_sum_exp(logits, cols);
    for (int64_t c = 0; c < cols; ++c) p[c] = real(std::exp(Sum<real>(logits[c]) - lse));
  }
}

// The smoothed target gives 1 - s to the true class and spreads s over all of them (Szegedy et al.,
// "Rethinking the Inception architecture for computer vision", CVPR 2016, section 7).
template <class real>
void cross_entropy_forward(real* loss, real* p, const real* logits, const int32_t* target,
                           const real* class_weight, double smoothing, int64_t rows, int64_t classes) {
  const auto u = [&](int64_t c) { return class_weight ? Sum<real>(class_weight[c]) : Sum<real>(1); };
  Sum<real> sum = 0, weights = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const real* z = logits + row * classes;
    const int32_t t = target[row];
    const Sum<real> lse = log_sum_exp(z, classes);
    sum += (1 - smoothing) * u(t) * (lse - Sum<real>(z[t]));
    for (int64_t c = 0; c < classes; ++c) {
      const Sum<real> log_p = Sum<real>(z[c]) - lse;
      sum -= smoothing / double(classes) * u(c) * log_p;
      p[row * classes + c] = real(std::exp(log_p));
    }
    weights += u(t);
  }
  *loss = real(sum / weights);
}

// d(-log p[c]) / dz[j] = p[j] - [j = c], summed with the weights that the loss gives to each class:
//   dl/dz[j] = (1 - s) u[t] (p[j] - [j = t]) + s / classes * (p[j] * sum over c of u[c] - u[j])
template <class real>
void cross_entropy_backward(real* dlogits, const real* dloss, const real* p, const int32_t* target,
                            const real* class_weight, double smoothing, int64_t rows, int64_t classes) {
  const auto u = [&](int64_t c) { return class_weight ? Sum<real>(class_weight[c]) : Sum<real>(1); };
  Sum<real> weights = 0, all = 0;
  for (int64_t row = 0; row < rows; ++row) weights += u(target[row]);
  for (int64_t c = 0; c < classes; ++c) all += u(c);
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t t = target[row];
    for (int64_t j = 0; j < classes; ++j) {
      const Sum<real> p_j = p[row * classes + j];
      const Sum<real> dl =
          (1 - smoothing) * u(t) * (p_j - double(j == t)) + smoothing / double(classes) * (p_j * all - u(j));
      dlogits[row * classes + j] = real(Sum<real>(*dloss) * dl / weights);
    }
  }
}

SIGNET_INSTANTIATE(softmax_forward);
SIGNET_INSTANTIATE(cross_entropy_forward);
SIGNET_INSTANTIATE(cross_entropy_backward);

}  // namespace signet::ref
