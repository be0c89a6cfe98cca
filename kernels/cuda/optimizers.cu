// One optimiser step over n parameters, in float: limited by memory, so each value is read and written once.
// What is the same for all parameters is worked out on the host in double.
//
// A network has dozens of small tensors, and a launch takes longer than most of their updates: so a launch
// takes many tensors, whose pointers are its parameters.

#include <cmath>
#include <span>

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

constexpr int kThreads = 256;
constexpr int64_t kBlockPlaces = 16 * kThreads;
constexpr int kMostTogether = 32;  // whose parameters fit the 4 KB that every card takes

/// Several bodies (elements.cuh), each with its number of places. Its blocks are numbered from first_block
/// on.
template <class Body>
struct Together {
  Body bodies[kMostTogether];
  int64_t n[kMostTogether];
  int first_block[kMostTogether];
  bool packed[kMostTogether];
  int count = 0, blocks = 0;
};

template <class Body>
__global__ void __launch_bounds__(kThreads) for_each_together_kernel(const Together<Body> all) {
  int which = 0;
  while (which + 1 < all.count && int(blockIdx.x) >= all.first_block[which + 1]) ++which;
  const Body body = all.bodies[which];
  const int64_t begin = (int(blockIdx.x) - all.first_block[which]) * kBlockPlaces;
  const int64_t end = min(begin + kBlockPlaces, all.n[which]), thread = threadIdx.x;
  const int64_t packs_end = all.packed[which] ? end - end % 4 : begin;
  for (int64_t i = begin + 4 * thread; i < packs_end; i += 4 * kThreads) body.template at<4>(i);
  for (int64_t i = packs_end + thread; i < end; i += kThreads) body.template at<1>(i);
}

/// Runs body_of(tensor) over the places of each tensor; packed_of(tensor) says that its pointers allow packs.
template <class Tensor, class BodyOf, class PackedOf>
void for_each_of(std::span<const Tensor> tensors, const BodyOf& body_of, const PackedOf& packed_of) {
  using Body = decltype(body_of(tensors[0]));
  Together<Body> all;
  const auto run = [&] {
    launch(for_each_together_kernel<Body>, dim3(unsigned(all.blocks)), dim3(kThreads), 0, current_stream(),
           all);
    all.count = all.blocks = 0;
  };
  for (const Tensor& tensor : tensors) {
    if (tensor.n == 0) continue;
    all.bodies[all.count] = body_of(tensor);
    all.n[all.count] = tensor.n;
    all.first_block[all.count] = all.blocks;
    all.packed[all.count] = packed_of(tensor);
    all.blocks += int(ceil_div(tensor.n, kBlockPlaces));
    if (++all.count == kMostTogether) run();
  }
  run();
}

}  // namespace

void sgd_steps(const SgdTensor<float>* tensors, int64_t count, double lr, double momentum, bool nesterov,
               double weight_decay, bool first_step) {
  const std::span all(tensors, size_t(count));
  if (count > 0 && tensors->velocity) {
    for_each_of(
        all,
        [&](const SgdTensor<float>& t) {
          return SgdMomentum{t.w,      t.velocity, t.g, float(lr), float(momentum), float(weight_decay),
                             nesterov, first_step};
        },
        [](const SgdTensor<float>& t) { return allow_packs(t.w, t.velocity, t.g); });
  } else {
    for_each_of(
        all,
        [&](const SgdTensor<float>& t) {
          return SgdPlain{t.w, t.g, float(lr), float(weight_decay)};
        },
        [](const SgdTensor<float>& t) { return allow_packs(t.w, t.g); });
  }
}

void adam_steps(const AdamTensor<float>* tensors, int64_t count, double lr, double beta1, double beta2,
                double eps, double weight_decay, bool decoupled, int64_t step) {
  const double correction1 = 1 - std::pow(beta1, double(step));
  const double correction2 = 1 - std::pow(beta2, double(step));
  for_each_of(
      std::span(tensors, size_t(count)),
      [&](const AdamTensor<float>& t) {
        return Adam{.w = t.w,
                    .m = t.m,
                    .v = t.v,
                    .g = t.g,
                    .beta1 = float(beta1),
                    .beta2 = float(beta2),
                    .one_minus_beta1 = float(1 - beta1),
                    .one_minus_beta2 = float(1 - beta2),
                    .eps = float(eps),
                    .decay = decoupled ? 0 : float(weight_decay),
                    .shrink = decoupled ? float(1 - lr * weight_decay) : 1,
                    .rate = float(lr / correction1),
                    .inv_root = float(1 / std::sqrt(correction2))};
      },
      [](const AdamTensor<float>& t) { return allow_packs(t.w, t.m, t.v, t.g); });
}

void sgd_step(float* w, float* velocity, const float* g, double lr, double momentum, bool nesterov,
              double weight_decay, bool first_step, int64_t n) {
  const SgdTensor<float> tensor{.w = w, .velocity = velocity, .g = g, .n = n};
  sgd_steps(&tensor, 1, lr, momentum, nesterov, weight_decay, first_step);
}

void adam_step(float* w, float* m, float* v, const float* g, double lr, double beta1, double beta2,
               double eps, double weight_decay, bool decoupled, int64_t step, int64_t n) {
  const AdamTensor<float> tensor{.w = w, .m = m, .v = v, .g = g, .n = n};
  adam_steps(&tensor, 1, lr, beta1, beta2, eps, weight_decay, decoupled, step);
}

}  // namespace signet::cuda
