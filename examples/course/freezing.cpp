// Course, chapter 9: one training step of a ResNet18 under three freezings: kernels, memory and time.

#include <fmt/format.h>

#include <chrono>

#include "models/network.h"
#include "nn/functions.h"
#include "tensor/launch.h"

using namespace signet;

int main() {
  constexpr int kBatch = 32, kClasses = 36, kSize = 64;
  const char* const kernels[] = {"conv2d_forward", "batchnorm_forward_train", "conv2d_backward_weight",
                                 "conv2d_backward_data", "batchnorm_backward_train"};
  const char* const stages[] = {"fc", "layer4", "layer3", "conv1"};
  std::vector<std::string> rows(std::size(kernels));
  std::string parameters, memory, time;

  const auto network = models::make_network("resnet18", kClasses, kSize, 16);
  network->initialize({1, 0});
  const Tensor x = Tensor::empty({kBatch, kSize, kSize, 3});
  cpu::random_normal(x.data(), 0, 1, {1, 1}, x.size());
  std::vector<int32_t> labels(kBatch);
  for (int i = 0; i < kBatch; ++i) labels[size_t(i)] = i % kClasses;
  const Tensor target = Tensor::from(labels, {kBatch});

  for (const char* first : stages) {
    network->freeze_before(network->stage_index(first));
    const auto step = [&] {
      for (const auto& parameter : network->parameters()) parameter.tensor->clear_grad();
      backward(nn::cross_entropy(network->forward(x), target));
    };
    step();  // a frozen stage folds its batchnorms once
    for (const auto& parameter : network->parameters()) parameter.tensor->clear_grad();
    reset_launch_counts();
    reset_peak_memory();
    const int64_t before = memory_statistics().in_use;
    const auto start = std::chrono::steady_clock::now();
    step();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    auto counts = launch_counts();
    for (size_t i = 0; i < rows.size(); ++i) rows[i] += fmt::format("{:>9}", counts[kernels[i]]);
    parameters += fmt::format("{:>9}", network->parameter_count(true));
    memory += fmt::format("{:9.1f}", double(memory_statistics().peak - before) / 1e6);
    time += fmt::format("{:9.1f}", 1e3 * seconds);
  }
  fmt::print("{:<26}{:>9}{:>9}{:>9}{:>9}\n", "trainable from", "fc", "layer4", "layer3", "conv1");
  fmt::print("{:<26}{}\n", "parameters", parameters);
  for (size_t i = 0; i < rows.size(); ++i) fmt::print("{:<26}{}\n", kernels[i], rows[i]);
  fmt::print("{:<26}{}\n{:<26}{}\n", "most memory at once, MB", memory, "ms", time);
}
