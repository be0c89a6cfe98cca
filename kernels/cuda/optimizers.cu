// One optimiser step over n parameters, in float: limited by memory, so each value is read and written once.
// What is the same for all parameters is worked out on the host in double.

#include <cmath>

#include "kernels/cuda/elements.cuh"
#include "kernels/kernels.h"

namespace signet::cuda {
namespace {

struct SgdPlain {
  float* w;
  const float* g;
  float lr, decay;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto weight = load<kWidth>(w + i);
    const auto gradient = load<kWidth>(g + i);
    for (int j = 0; j < kWidth; ++j) weight.v[j] -= lr * (gradient.v[j] + decay * weight.v[j]);
    store(w + i, weight);
  }
};

struct SgdMomentum {
  float *w, *velocity;
  const float* g;
  float lr, momentum, decay;
  bool nesterov, first_step;

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto weight = load<kWidth>(w + i);
    const auto gradients = load<kWidth>(g + i);
    // The first step assigns the velocity, which may hold anything before.
    Pack<float, kWidth> speed{};
    if (!first_step) speed = load<kWidth>(velocity + i);
    for (int j = 0; j < kWidth; ++j) {
      const float gradient = gradients.v[j] + decay * weight.v[j];
      const float v = first_step ? gradient : momentum * speed.v[j] + gradient;
      speed.v[j] = v;
      weight.v[j] -= lr * (nesterov ? gradient + momentum * v : v);
    }
    store(velocity + i, speed);
    store(w + i, weight);
  }
};

struct Adam {
  float *w, *m, *v;
  const float* g;
  float beta1, beta2, one_minus_beta1, one_minus_beta2, eps;
  float decay;     // added to the gradient
  float shrink;    // multiplies the weight first
  float rate;      // lr / (1 - beta1^step)
  float inv_root;  // 1 / sqrt(1 - beta2^step)

  template <int kWidth>
  __device__ void at(int64_t i) const {
    auto weight = load<kWidth>(w + i);
    auto mean = load<kWidth>(m + i), square = load<kWidth>(v + i);
    const auto gradients = load<kWidth>(g + i);
    for (int j = 0; j < kWidth; ++j) {
      const float gradient = gradients.v[j] + decay * weight.v[j];
      mean.v[j] = beta1 * mean.v[j] + one_minus_beta1 * gradient;
      square.v[j] = beta2 * square.v[j] + one_minus_beta2 * (gradient * gradient);
      const float step = rate * mean.v[j] / (sqrtf(square.v[j]) * inv_root + eps);
      weight.v[j] = weight.v[j] * shrink - step;
    }
    store(m + i, mean);
    store(v + i, square);
    store(w + i, weight);
  }
};

}  // namespace

void sgd_step(float* w, float* velocity, const float* g, double lr, double momentum, bool nesterov,
              double weight_decay, bool first_step, int64_t n) {
  if (velocity) {
    for_each(
        n, allow_packs(w, velocity, g),
        SgdMomentum{w, velocity, g, float(lr), float(momentum), float(weight_decay), nesterov, first_step});
  } else {
    for_each(n, allow_packs(w, g), SgdPlain{w, g, float(lr), float(weight_decay)});
  }
}

void adam_step(float* w, float* m, float* v, const float* g, double lr, double beta1, double beta2,
               double eps, double weight_decay, bool decoupled, int64_t step, int64_t n) {
  const double correction1 = 1 - std::pow(beta1, double(step));
  const double correction2 = 1 - std::pow(beta2, double(step));
  for_each(n, allow_packs(w, m, v, g),
           Adam{.w = w,
                .m = m,
                .v = v,
                .g = g,
                .beta1 = float(beta1),
                .beta2 = float(beta2),
                .one_minus_beta1 = float(1 - beta1),
                .one_minus_beta2 = float(1 - beta2),
                .eps = float(eps),
                .decay = decoupled ? 0 : float(weight_decay),
                .shrink = decoupled ? float(1 - lr * weight_decay) : 1,
                .rate = float(lr / correction1),
                .inv_root = float(1 / std::sqrt(correction2))});
}

}  // namespace signet::cuda
