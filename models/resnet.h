#pragma once
// ResNet of basic blocks (He et al., "Deep Residual Learning for Image Recognition", 2015), torchvision's
// form and names.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "models/network.h"
#include "nn/layers.h"

namespace signet::models {

/// Two 3x3 convolutions with batchnorm, added to the input (or to its 1x1 projection), then ReLU.
class BasicBlock : public nn::Module {
 public:
  BasicBlock(int64_t in_channels, int64_t out_channels, int64_t stride, Device device);
  Tensor forward(const Tensor& x);

 private:
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  nn::Conv2d conv2_;
  nn::BatchNorm2d bn2_;

  struct Projection : nn::Module {
    Projection(int64_t in_channels, int64_t out_channels, int64_t stride, Device device);
    nn::Conv2d conv;
    nn::BatchNorm2d bn;
  };
  std::unique_ptr<Projection> downsample_;
};

struct ResNetOptions {
  std::string architecture = "resnet18";
  std::array<int, 4> blocks{2, 2, 2, 2};
  int64_t width = 64;  ///< channels of layer1; each later stage doubles them
  int num_classes = 1000;
  int image_size = 224;
};

class ResNet : public Network {
 public:
  explicit ResNet(ResNetOptions options, Device device = {});

  using Network::forward;
  Tensor forward(const Tensor& x, int first, int last) override;
  std::string architecture() const override { return options_.architecture; }
  InputSpec input() const override;
  int num_classes() const override { return options_.num_classes; }
  const std::vector<std::string>& stages() const override;
  std::vector<nn::Module*> stage_modules(int stage) override;
  void initialize(PhiloxKey key) override;
  void initialize_head(PhiloxKey key) override;

 private:
  struct Layer : nn::Module {
    Layer(int blocks, int64_t in_channels, int64_t out_channels, int64_t stride, Device device);
    Tensor forward(Tensor x);
    std::vector<std::unique_ptr<BasicBlock>> blocks_;
  };

  ResNetOptions options_;
  nn::Conv2d conv1_;
  nn::BatchNorm2d bn1_;
  std::vector<std::unique_ptr<Layer>> layers_;
  nn::Linear fc_;
};

}  // namespace signet::models
