// Course, chapter 3: a batchnorm in its two modes, and what "frozen" leaves moving.

#include <fmt/format.h>

#include <cmath>

#include "nn/layers.h"
#include "tensor/launch.h"

using namespace signet;

namespace {

/// A batch of 64 values of one channel, mean 5 and deviation 2 (Box and Muller's, by a key of its own).
Tensor batch_of(uint64_t number) {
  const Tensor x = Tensor::empty({64, 1});
  cpu::random_normal(x.data(), 5, 2, {7, number}, x.size());
  return x;
}

std::pair<double, double> mean_and_deviation(const Tensor& x) {
  double sum = 0, squares = 0;
  for (const float v : x.to_vector()) sum += v;
  const double mean = sum / double(x.size());
  for (const float v : x.to_vector()) squares += (v - mean) * (v - mean);
  return {mean, std::sqrt(squares / double(x.size()))};
}

void print_state(const char* when, const Tensor& y, const nn::BatchNorm2d& bn) {
  const auto [mean, deviation] = mean_and_deviation(y);
  fmt::print("{:<22} {:7.2f} {:9.2f} {:12.2f} {:11.2f}\n", when, std::round(mean * 100) / 100 + 0.0,
             deviation, bn.running_mean.item(), bn.running_var.item());
}

}  // namespace

int main() {
  nn::BatchNorm2d bn(1);
  fmt::print("{:<22} {:>7} {:>9} {:>12} {:>11}\n", "", "mean y", "sd y", "running mean", "running var");
  bn.set_training(false);
  print_state("evaluation, untouched", bn.forward(batch_of(0)), bn);
  bn.set_training(true);
  for (int batch = 1; batch <= 50; ++batch) {
    const Tensor y = bn.forward(batch_of(uint64_t(batch)));
    if (batch == 1 || batch == 10 || batch == 50)
      print_state(fmt::format("training, batch {}", batch).c_str(), y, bn);
  }
  bn.set_training(false);
  print_state("evaluation", bn.forward(batch_of(51)), bn);

  // The same first value in two batches: 3, with neighbours near 3 or near 30.
  const Tensor near = Tensor::from(std::vector<float>{3, 2, 4, 3}, {4, 1});
  const Tensor far = Tensor::from(std::vector<float>{3, 29, 31, 30}, {4, 1});
  const auto print_first = [&](const char* mode) {
    const float among_near = bn.forward(near).to_vector()[0], among_far = bn.forward(far).to_vector()[0];
    fmt::print("{:<10} {:24.2f} {:18.2f}\n", mode, among_near + 0.0F, among_far);
  };
  fmt::print("\nthe value 3           among 2, 4, 3   among 29, 31, 30\n");
  print_first("evaluation");
  bn.set_training(true);
  print_first("training");

  const auto drift = [](bool batch_statistics) {
    nn::BatchNorm2d frozen(1);
    frozen.set_trainable(false);
    frozen.set_batch_statistics(batch_statistics);
    for (int batch = 1; batch <= 10; ++batch) frozen.forward(batch_of(uint64_t(batch)));
    return frozen.running_mean.item();
  };
  fmt::print("\nno trainable weight, ten batches in training mode: the running mean went from 0 to\n");
  fmt::print("  {:.2f} with the batch's statistics\n  {:.2f} without\n\n", drift(true), drift(false));

  // Behind a convolution of weight 2, in evaluation.
  nn::Conv2d conv(1, 1, 1, {}, false);
  nn::BatchNorm2d behind(1);
  conv.weight.copy_from(Tensor::full({1, 1, 1, 1}, 2));
  behind.running_mean.copy_from(Tensor::full({1}, 5));
  behind.running_var.copy_from(Tensor::full({1}, 4));
  behind.set_training(false);
  const auto print_launches = [&](const char* name) {
    reset_launch_counts();
    const float y = nn::conv_bn(Tensor::full({1, 1, 1, 1}, 5), conv, behind).item();
    fmt::print("{:<20} y {:.3f}:", name, y);
    for (const auto& [kernel, count] : launch_counts()) {
      if (kernel != "fill") fmt::print(" {} x {}", count, kernel);
    }
    fmt::print("\n");
  };
  print_launches("trainable");
  conv.set_trainable(false);
  behind.set_trainable(false);
  print_launches("frozen, first call");
  print_launches("frozen, from then on");
  const NoGrad no_grad;
  print_launches("inference, 1st call");
  print_launches("inference, 2nd call");
  print_launches("inference, 3rd call");
}
