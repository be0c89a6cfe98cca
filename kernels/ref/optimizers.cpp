// One step of each optimiser over n parameters that share their settings. Both follow PyTorch to the letter,
// so that a run can be set beside one of its own.

#include <cmath>
#include <span>

#include "kernels/ref/scalar.h"

namespace signet::ref {

// Momentum after Polyak; the look-ahead form after Nesterov, as rewritten by Sutskever et al., "On the
// importance of initialization and momentum in deep learning", ICML 2013.
template <class real>
void sgd_step(real* w, real* velocity, const real* g, double lr, double momentum, bool nesterov,
              double weight_decay, bool first_step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const Sum<real> gradient = Sum<real>(g[i]) + weight_decay * Sum<real>(w[i]);
    Sum<real> step = gradient;
    if (velocity) {
      const Sum<real> v = first_step ? gradient : momentum * Sum<real>(velocity[i]) + gradient;
      velocity[i] = real(v);
      step = nesterov ? gradient + momentum * v : v;
    }
    w[i] = real(Sum<real>(w[i]) - lr * step);
  }
}

// Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015, algorithm 1; decoupled weight decay
// after Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019. Dividing by 1 - beta^step
// undoes the bias that m and v have from starting at zero.
template <class real>
void adam_step(real* w, real* m, real* v, const real* g, double lr, double beta1, double beta2, double eps,
               double weight_decay, bool decoupled, int64_t step, int64_t n) {
  const double correction1 = 1 - std::pow(beta1, double(step));
  const double correction2 = 1 - std::pow(beta2, double(step));
  for (int64_t i = 0; i < n; ++i) {
    Sum<real> weight = w[i], gradient = g[i];
    if (decoupled) {
      weight *= 1 - lr * weight_decay;
    } else {
      gradient += weight_decay * weight;
    }
    const Sum<real> mean = beta1 * Sum<real>(m[i]) + (1 - beta1) * gradient;
    const Sum<real> square = beta2 * Sum<real>(v[i]) + (1 - beta2) * gradient * gradient;
    m[i] = real(mean);
    v[i] = real(square);
    w[i] = real(weight - lr / correction1 * mean / (std::sqrt(square) / std::sqrt(correction2) + eps));
  }
}

template <class real>
void sgd_steps(const SgdTensor<real>* tensors, int64_t count, double lr, double momentum, bool nesterov,
               double weight_decay, bool first_step) {
  for (const auto& t : std::span(tensors, size_t(count)))
    sgd_step(t.w, t.velocity, t.g, lr, momentum, nesterov, weight_decay, first_step, t.n);
}

template <class real>
void adam_steps(const AdamTensor<real>* tensors, int64_t count, double lr, double beta1, double beta2,
                double eps, double weight_decay, bool decoupled, int64_t step) {
  for (const auto& t : std::span(tensors, size_t(count)))
    adam_step(t.w, t.m, t.v, t.g, lr, beta1, beta2, eps, weight_decay, decoupled, step, t.n);
}

SIGNET_INSTANTIATE(sgd_step);
SIGNET_INSTANTIATE(adam_step);
SIGNET_INSTANTIATE(sgd_steps);
SIGNET_INSTANTIATE(adam_steps);

}  // namespace signet::ref
