// One optimiser step over n parameters, in float: memory-bound, so each value is read and written once.

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizers.cpp"
#include "kernels/cpu/targets.h"

#include "hwy/foreach_target.h"
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

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

// Floats that are asked for ahead of their use. Since the step before, the network has passed through the
// caches of a core, and the processor by itself asks for four streams too late.
constexpr int64_t kAhead = 384;

void adam_range(float* w, float* m, float* v, const float* g, const AdamConstants& constants, int64_t n) {
  const AdamConstants k = constants;
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> one;
  const int64_t lanes = int64_t(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    for (const float* stream :
         {static_cast<const float*>(w), static_cast<const float*>(m), static_cast<const float*>(v), g})
      __builtin_prefetch(stream + i + kAhead, 0, 3);
    adam_at(d, w + i, m + i, v + i, g + i, k);
  }
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

namespace {
/// Calls body(tensor, begin, end) over the elements of all tensors in pieces that threads share: a network
/// has many tensors too small to be cut.
template <class T, class Body>
void for_each_together(std::span<const T> tensors, const Body& body) {
  constexpr int64_t kGrain = kElementGrain / 2;
  std::vector<int64_t> ends;  // of each tensor's pieces
  for (const T& tensor : tensors)
    ends.push_back((ends.empty() ? 0 : ends.back()) + ceil_div(tensor.n, kGrain));
  parallel_for(ends.empty() ? 0 : ends.back(), [&](int64_t piece) {
    const auto end = std::ranges::upper_bound(ends, piece);
    const T& tensor = tensors[size_t(end - ends.begin())];
    const int64_t begin = (piece - *end + ceil_div(tensor.n, kGrain)) * kGrain;
    body(tensor, begin, std::min(tensor.n, begin + kGrain));
  });
}
}  // namespace

void sgd_steps(const SgdTensor<float>* tensors, int64_t count, double lr, double momentum, bool nesterov,
               double weight_decay, bool first_step) {
  const SgdConstants k{.lr = float(lr),
                       .momentum = float(momentum),
                       .decay = float(weight_decay),
                       .nesterov = nesterov,
                       .first_step = first_step};
  const auto step_of = [&](const SgdTensor<float>& t, int64_t i, int64_t end) {
    if (t.velocity) {
      HWY_DYNAMIC_DISPATCH(sgd_momentum)(t.w + i, t.velocity + i, t.g + i, k, end - i);
    } else {
      HWY_DYNAMIC_DISPATCH(sgd_plain)(t.w + i, t.g + i, k, end - i);
    }
  };
  for_each_together(std::span(tensors, size_t(count)), step_of);
}

void sgd_step(float* w, float* velocity, const float* g, double lr, double momentum, bool nesterov,
              double weight_decay, bool first_step, int64_t n) {
  const SgdTensor<float> tensor{.w = w, .velocity = velocity, .g = g, .n = n};
  sgd_steps(&tensor, 1, lr, momentum, nesterov, weight_decay, first_step);
}

void adam_steps(const AdamTensor<float>* tensors, int64_t count, double lr, double beta1, double beta2,
                double eps, double weight_decay, bool decoupled, int64_t step) {
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
  for_each_together(std::span(tensors, size_t(count)),
                    [&](const AdamTensor<float>& t, int64_t i, int64_t end) {
                      HWY_DYNAMIC_DISPATCH(adam_range)(t.w + i, t.m + i, t.v + i, t.g + i, k, end - i);
                    });
}

void adam_step(float* w, float* m, float* v, const float* g, double lr, double beta1, double beta2,
               double eps, double weight_decay, bool decoupled, int64_t step, int64_t n) {
  const AdamTensor<float> tensor{.w = w, .m = m, .v = v, .g = g, .n = n};
  adam_steps(&tensor, 1, lr, beta1, beta2, eps, weight_decay, decoupled, step);
}

}  // namespace signet::cpu
#endif
