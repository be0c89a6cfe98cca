#pragma once
// The two small networks that the study trains from scratch, to set beside transfer learning.

#include <memory>
#include <vector>

#include "models/network.h"
#include "nn/layers.h"

namespace signet::models {

/// Grey image -> 300 -> 100 -> classes, ReLU and dropout 0.2 after each hidden layer. Parameters are named as
/// PyTorch names those of nn.Sequential(Flatten, Linear, ReLU, Dropout, Linear, ReLU, Dropout, Linear): 1,
/// 4, 7.
class Mlp : public Network {
 public:
  Mlp(int num_classes, int image_size, Device device);

  using Network::forward;
  Tensor forward(const Tensor& x, int first, int last) override;
  std::string architecture() const override { return "mlp"; }
  InputSpec input() const override { return {image_size_, 1, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}}; }
  int num_classes() const override { return int(fc3_.bias.size()); }
  const std::vector<std::string>& stages() const override;
  std::vector<nn::Module*> stage_modules(int stage) override;
  void initialize(PhiloxKey key) override;
  void initialize_head(PhiloxKey key) override;

 private:
  int image_size_;
  nn::Linear fc1_, fc2_, fc3_;
  nn::Dropout dropout1_{0.2}, dropout2_{0.2};
};

/// Colour image -> three times (3x3 convolution with 32, 64, 128 channels, ReLU, 2x2 max-pool) -> 256, ReLU,
/// dropout 0.5 -> classes. Parameters are named as in an nn.Sequential of these layers: 0, 3, 6, 10, 13.
class Cnn : public Network {
 public:
  Cnn(int num_classes, int image_size, Device device);

  using Network::forward;
  Tensor forward(const Tensor& x, int first, int last) override;
  std::string architecture() const override { return "cnn"; }
  InputSpec input() const override { return {image_size_, 3, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}}; }
  int num_classes() const override { return int(fc2_.bias.size()); }
  const std::vector<std::string>& stages() const override;
  std::vector<nn::Module*> stage_modules(int stage) override;
  void initialize(PhiloxKey key) override;
  void initialize_head(PhiloxKey key) override;

 private:
  int image_size_;
  nn::Conv2d conv1_, conv2_, conv3_;
  nn::Linear fc1_, fc2_;
  nn::Dropout dropout_{0.5};
};

}  // namespace signet::models
