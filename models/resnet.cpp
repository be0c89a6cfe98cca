#include "models/resnet.h"

#include "nn/init.h"
#include "nn/precision.h"

namespace signet::models {

namespace {
enum Stage : int { kStem, kLayer1, kAvgPool = 5, kFc, kStageCount };
}

BasicBlock::Projection::Projection(int64_t in_channels, int64_t out_channels, int64_t stride, Device device)
    : conv(in_channels, out_channels, 1, {stride, 0, 1}, false, device), bn(out_channels, device) {
  add_module("0", conv);
  add_module("1", bn);
}

BasicBlock::BasicBlock(int64_t in_channels, int64_t out_channels, int64_t stride, Device device)
    : conv1_(in_channels, out_channels, 3, {stride, 1, 1}, false, device),
      bn1_(out_channels, device),
      conv2_(out_channels, out_channels, 3, {1, 1, 1}, false, device),
      bn2_(out_channels, device) {
  add_module("conv1", conv1_);
  add_module("bn1", bn1_);
  add_module("conv2", conv2_);
  add_module("bn2", bn2_);
  if (stride != 1 || in_channels != out_channels) {
    downsample_ = std::make_unique<Projection>(in_channels, out_channels, stride, device);
    add_module("downsample", *downsample_);
  }
}

Tensor BasicBlock::forward(const Tensor& x) {
  const Tensor shortcut = downsample_ ? nn::conv_bn(x, downsample_->conv, downsample_->bn) : x;
  return nn::conv_bn(nn::conv_bn(x, conv1_, bn1_, {}, true), conv2_, bn2_, shortcut, true);
}

ResNet::Layer::Layer(int blocks, int64_t in_channels, int64_t out_channels, int64_t stride, Device device) {
  for (int i = 0; i < blocks; ++i) {
    blocks_.push_back(std::make_unique<BasicBlock>(i == 0 ? in_channels : out_channels, out_channels,
                                                   i == 0 ? stride : 1, device));
    add_module(std::to_string(i), *blocks_.back());
  }
}

Tensor ResNet::Layer::forward(Tensor x) {
  for (const auto& block : blocks_) x = block->forward(x);
  return x;
}

ResNet::ResNet(ResNetOptions options, Device device)
    : options_(std::move(options)),
      conv1_(3, options_.width, 7, {2, 3, 1}, false, device),
      bn1_(options_.width, device),
      fc_(options_.width * 8, options_.num_classes, device) {
  add_module("conv1", conv1_);
  add_module("bn1", bn1_);
  int64_t channels = options_.width;
  for (int i = 0; i < 4; ++i) {
    const int64_t out = options_.width << i;
    layers_.push_back(
        std::make_unique<Layer>(options_.blocks[size_t(i)], channels, out, i == 0 ? 1 : 2, device));
    add_module("layer" + std::to_string(i + 1), *layers_.back());
    channels = out;
  }
  add_module("fc", fc_);
}

Tensor ResNet::forward(const Tensor& x, int first, int last) {
  Tensor y = x;
  for (int stage = first; stage < last; ++stage) {
    switch (stage) {
      case kStem:
        y = nn::cast(y, nn::activation_type());
        y = nn::conv_bn_relu_maxpool(y, conv1_, bn1_, 3, 2, 1);
        break;
      case kAvgPool:
        y = nn::global_avgpool(y);
        break;
      case kFc:
        y = fc_.forward(y);
        break;
      default:
        y = layers_[size_t(stage - kLayer1)]->forward(y);
        break;
    }
  }
  return y;
}

InputSpec ResNet::input() const {
  InputSpec spec;
  spec.size = options_.image_size;
  return spec;
}

const std::vector<std::string>& ResNet::stages() const {
  static const std::vector<std::string> names{"conv1",  "layer1",  "layer2", "layer3",
                                              "layer4", "avgpool", "fc"};
  return names;
}

std::vector<nn::Module*> ResNet::stage_modules(int stage) {
  switch (stage) {
    case kStem:
      return {&conv1_, &bn1_};
    case kAvgPool:
      return {};
    case kFc:
      return {&fc_};
    default:
      return {layers_[size_t(stage - kLayer1)].get()};
  }
}

void ResNet::initialize(PhiloxKey key) {
  nn::initialize_resnet(*this, key);
}
void ResNet::initialize_head(PhiloxKey key) {
  nn::initialize_defaults(fc_, key);
}

}  // namespace signet::models
