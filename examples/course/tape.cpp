// Course, chapter 1: what a forward pass leaves behind, and what backward() makes of it.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "nn/functions.h"
#include "tensor/autograd.h"
#include "tensor/launch.h"

using namespace signet;

namespace {

struct Weights {
  Tensor w1 = Tensor::from(std::vector<float>{1, -1, 0.5, 2, -0.5, 1}, {3, 2});
  Tensor w2 = Tensor::from(std::vector<float>{1, 0.5, -1, -1, 1, 0.5}, {2, 3});
};

/// Two layers and a loss: images x [2, 2] of classes 0 and 1.
Tensor loss_of(const Weights& weights) {
  const Tensor x = Tensor::from(std::vector<float>{1, 2, 3, -1}, {2, 2});
  const Tensor target = Tensor::from(std::vector<int32_t>{0, 1}, {2});
  const Tensor hidden = nn::relu(nn::linear(x, weights.w1, {}));
  return nn::cross_entropy(nn::linear(hidden, weights.w2, {}), target);
}

void print_launches(const char* when) {
  fmt::print("{}\n", when);
  for (const auto& [kernel, count] : launch_counts()) fmt::print("  {} x {}\n", count, kernel);
  reset_launch_counts();
}

/// (loss(w + h) - loss(w - h)) / 2h for one number of a tensor.
float difference(const Weights& weights, const Tensor& tensor, int64_t i) {
  constexpr float h = 0.01F;
  const NoGrad no_grad;
  float* value = tensor.data() + i;
  const float before = *value;
  *value = before + h;
  const float above = loss_of(weights).item();
  *value = before - h;
  const float below = loss_of(weights).item();
  *value = before;
  return (above - below) / (2 * h);
}

}  // namespace

int main() {
  Weights weights;
  weights.w1.set_requires_grad(true);
  weights.w2.set_requires_grad(true);
  reset_launch_counts();
  Tensor loss = loss_of(weights);
  print_launches("forward");
  backward(loss);
  print_launches("backward");
  fmt::print("loss {:.4f}\n", loss.item());

  fmt::print("\n        by the tape  by differences\n");
  for (const auto& [name, w] : {std::pair("w1", weights.w1), std::pair("w2", weights.w2)}) {
    for (int64_t i = 0; i < w.size(); ++i) {
      fmt::print("{}[{}] {:14.3f} {:15.3f}\n", name, i, w.grad().to_vector()[size_t(i)],
                 difference(weights, w, i));
    }
  }

  weights.w1.set_requires_grad(false);
  weights.w2.clear_grad();
  loss = loss_of(weights);
  reset_launch_counts();
  backward(loss);
  print_launches("\nbackward, w1 frozen");

  weights.w2.set_requires_grad(false);
  fmt::print("\nw2 frozen too: the loss {} a gradient\n",
             loss_of(weights).requires_grad() ? "needs" : "does not need");
}
