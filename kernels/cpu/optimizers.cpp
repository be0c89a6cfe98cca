// One optimiser step over n parameters, in float: memory-bound, so each value is read and written once.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizers.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <cmath>
#include <span>

#include "kernels/cpu/chunks.h"
#include "kernels/kernels.h"

#ifndef SIGNET_CPU_OPTIMIZERS_ONCE
#define SIGNET_CPU_OPTIMIZERS_ONCE
namespace signet::cpu {
// decay: added to the gradient; shrink: multiplies the weight first; rate = lr / (1 - beta1^step);
// inv_root = 1 / sqrt(1 - beta2^step).
struct AdamConstants {
  float beta1, beta2, one_minus_beta1, one_minus_beta2, eps, decay, shrink, rate, inv_root;
};
struct SgdConstants {
  float lr, momentum, decay;
  bool nesterov, first_step;
};
}  // namespace signet::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace signet::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void sgd_plain(float* w, const float* g, const SgdConstants& k, int64_t n) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) w[i] -= k.lr * (g[i] + k.decay * w[i]);
}

void sgd_momentum(float* w, float* velocity, const float* g, const SgdConstants& constants, int64_t n) {
  const SgdConstants k = constants;
#pragma GCC ivdep
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = g[i] + k.decay * w[i];
    const float v = k.first_step ? gradient : k.momentum * velocity[i] + gradient;
    velocity[i] = v;
    w[i] -= k.lr * (k.nesterov ? gradient + k.momentum * v : v);
  }
}

template <class D>
HWY_INLINE void adam_at(D d, float* w, float* m, float* v, const float* g, const AdamConstants& k) {
  const auto w0 = hn::LoadU(d, w);
  const auto gradient = hn::Add(hn::LoadU(d, g), hn::Mul(hn::Set(d, k.decay), w0));
  const auto mean = hn::Add(hn::Mul(hn::Set(d, k.beta1), hn::LoadU(d, m)),
                            hn::Mul(hn::Set(d, k.one_minus_beta1), gradient));
  const auto square = hn::Add(hn::Mul(hn::Set(d, k.beta2), hn::LoadU(d, v)),
                              hn::Mul(hn::Set(d, k.one_minus_beta2), hn::Mul(gradient, gradient)));
  const auto root = hn::Add(hn::Mul(hn::Sqrt(square), hn::Set(d, k.inv_root)), hn::Set(d, k.eps));
  const auto step = hn::Div(hn::Mul(hn::Set(d, k.rate), mean), root);
  hn::StoreU(mean, d, m);
  hn::StoreU(square, d, v);
  hn::StoreU(hn::Sub(hn::Mul(w0, hn::Set(d, k.shrink)), step), d, w);
}

void adam_range(float* w, float* m, float* v, const float* g, const AdamConstants& constants, int64_t n) {
  const AdamConstants k = constants;
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) adam_at(d, w + i, m + i, v + i, g + i, k);
  for (; i < n; ++i) adam_at(one, w + i, m + i, v + i, g + i, k);
}

}  // namespace HWY_NAMESPACE
}  // namespace signet::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace signet::cpu {

HWY_EXPORT(sgd_plain);
HWY_EXPORT(sgd_momentum);
HWY_EXPORT(adam_range);

void sgd_step(float* w, float* velocity, const float* g, double lr, double momentum, bool nesterov,
              double weight_decay, bool first_step, int64_t n) {
  const SgdConstants k{.lr = float(lr),
                       .momentum = float(momentum),
                       .decay = float(weight_decay),
                       .nesterov = nesterov,
                       .first_step = first_step};
  parallel_ranges(n, kElementGrain, [&](int64_t i, int64_t end, int64_t) {
    if (velocity) {
      HWY_DYNAMIC_DISPATCH(sgd_momentum)(w + i, velocity + i, g + i, k, end - i);
    } else {
      HWY_DYNAMIC_DISPATCH(sgd_plain)(w + i, g + i, k, end - i);
    }
  });
}

void adam_step(float* w, float* m, float* v, const float* g, double lr, double beta1, double beta2,
               double eps, double weight_decay, bool decoupled, int64_t step, int64_t n) {
  const double correction1 = 1 - std::pow(beta1, double(step));
  const double correction2 = 1 - std::pow(beta2, double(step));
  const AdamConstants k{.beta1 = float(beta1),
                        .beta2 = float(beta2),
                        .one_minus_beta1 = float(1 - beta1),
                        .one_minus_beta2 = float(1 - beta2),
                        .eps = float(eps),
                        .decay = decoupled ? 0 : float(weight_decay),
                        .shrink = decoupled ? float(1 - lr * weight_decay) : 1,
                        .rate = float(lr / correction1),
                        .inv_root = float(1 / std::sqrt(correction2))};
  parallel_ranges(n, kElementGrain, [&](int64_t i, int64_t end, int64_t) {
    HWY_DYNAMIC_DISPATCH(adam_range)(w + i, m + i, v + i, g + i, k, end - i);
  });
}

void sgd_steps(const SgdTensor<float>* tensors, int64_t count, double lr, double momentum, bool nesterov,
               double weight_decay, bool first_step) {
  for (const auto& t : std::span(tensors, size_t(count)))
    sgd_step(t.w, t.velocity, t.g, lr, momentum, nesterov, weight_decay, first_step, t.n);
}

void adam_steps(const AdamTensor<float>* tensors, int64_t count, double lr, double beta1, double beta2,
                double eps, double weight_decay, bool decoupled, int64_t step) {
  for (const auto& t : std::span(tensors, size_t(count)))
    adam_step(t.w, t.m, t.v, t.g, lr, beta1, beta2, eps, weight_decay, decoupled, step, t.n);
}

}  // namespace signet::cpu
#endif
