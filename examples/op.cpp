// An op of one's own: a kernel, its gradient, what the tape is told, and a check of the gradient. The op is
// SiLU, y = x / (1 + exp(-x)) (Elfwing, Uchibe and Doya 2018). Within Signet a kernel is declared in
// kernels/functions.h and has a twin for each device; for one's own use on the CPU, loops in two functions
// do.

#include <fmt/format.h>

#include <cmath>

#include "kernels/parallel.h"
#include "tensor/autograd.h"

using namespace signet;

/// Calls one(i) for n elements, cut into chunks by n alone, so that the bits do not depend on the threads.
template <class One>
void each_element(int64_t n, One one) {
  constexpr int64_t kChunk = 4096;
  parallel_for((n + kChunk - 1) / kChunk, [&](int64_t chunk) {
    for (int64_t i = chunk * kChunk; i < std::min(n, (chunk + 1) * kChunk); ++i) one(i);
  });
}

Tensor silu(const Tensor& x) {
  Tensor y = Tensor::empty(x.shape());
  each_element(x.size(), [&](int64_t i) { y.data()[i] = x.data()[i] / (1 + std::exp(-x.data()[i])); });
  if (const Gradient dx = gradient_of(x)) {
    record("silu", y, {dx}, [dx, x = x.detach()](const Tensor& dy) {
      const auto [result, accumulate] = dx.target(x.shape(), x.device());
      float* out = result.data();
      const bool add = accumulate == Accumulate::yes;
      each_element(x.size(), [&](int64_t i) {
        const float s = 1 / (1 + std::exp(-x.data()[i]));
        out[i] = dy.data()[i] * s * (1 + x.data()[i] * (1 - s)) + (add ? out[i] : 0);
      });
    });
  }
  return y;
}

int main() {
  Tensor x = Tensor::empty({4, 5});
  const Tensor dy = Tensor::empty(x.shape());
  cpu::random_normal(x.data(), 0, 2, {1, 1}, x.size());
  cpu::random_normal(dy.data(), 0, 1, {1, 2}, x.size());  // a random cotangent: a sum would hide sign errors
  x.set_requires_grad(true);
  backward(silu(x), dy);
  double worst = 0;
  for (int64_t i = 0; i < x.size(); ++i) {
    const auto f = [](double v) { return v / (1 + std::exp(-v)); };
    constexpr double kStep = 1e-5;  // central differences in double: their error is about kStep squared
    const double slope = (f(double(x.data()[i]) + kStep) - f(double(x.data()[i]) - kStep)) / (2 * kStep);
    worst = std::max(worst, std::abs(slope * double(dy.data()[i]) - double(x.grad().data()[i])));
  }
  fmt::print("the gradient differs from central differences by at most {:.1e}\n", worst);
  return worst < 1e-5 ? 0 : 1;
}
