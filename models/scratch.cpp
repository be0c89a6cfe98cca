#include "models/scratch.h"

#include "nn/init.h"
#include "nn/precision.h"
#include "tensor/error.h"

namespace signet::models {

Mlp::Mlp(int num_classes, int image_size, Device device)
    : image_size_(image_size),
      fc1_(int64_t{image_size} * image_size, 300, device),
      fc2_(300, 100, device),
      fc3_(100, num_classes, device) {
  add_module("1", fc1_);
  add_module("3", dropout1_);
  add_module("4", fc2_);
  add_module("6", dropout2_);
  add_module("7", fc3_);
}

Tensor Mlp::forward(const Tensor& x, int first, int last) {
  Tensor y = x;
  for (int stage = first; stage < last; ++stage) {
    switch (stage) {
      case 0:
        y = dropout1_.forward(nn::relu(fc1_.forward(nn::flatten(y))));
        break;
      case 1:
        y = dropout2_.forward(nn::relu(fc2_.forward(y)));
        break;
      default:
        y = fc3_.forward(y);
        break;
    }
  }
  return y;
}

const std::vector<std::string>& Mlp::stages() const {
  static const std::vector<std::string> names{"fc1", "fc2", "fc"};
  return names;
}

std::vector<nn::Module*> Mlp::stage_modules(int stage) {
  if (stage == 0) return {&fc1_, &dropout1_};
  if (stage == 1) return {&fc2_, &dropout2_};
  return {&fc3_};
}

void Mlp::initialize(PhiloxKey key) {
  nn::initialize_defaults(*this, key);
}
void Mlp::initialize_head(PhiloxKey key) {
  nn::initialize_defaults(fc3_, key);
}

namespace {

int64_t pooled_side(int image_size) {
  if (image_size < 8) fail("--image-size {}: the cnn pools three times and needs at least 8", image_size);
  return image_size / 2 / 2 / 2;
}

}  // namespace

Cnn::Cnn(int num_classes, int image_size, Device device)
    : image_size_(image_size),
      conv1_(3, 32, 3, {1, 1, 1}, true, device),
      conv2_(32, 64, 3, {1, 1, 1}, true, device),
      conv3_(64, 128, 3, {1, 1, 1}, true, device),
      fc1_(pooled_side(image_size) * pooled_side(image_size) * 128, 256, device,
           {pooled_side(image_size), pooled_side(image_size), 128}),
      fc2_(256, num_classes, device) {
  add_module("0", conv1_);
  add_module("3", conv2_);
  add_module("6", conv3_);
  add_module("10", fc1_);
  add_module("12", dropout_);
  add_module("13", fc2_);
}

Tensor Cnn::forward(const Tensor& x, int first, int last) {
  const auto convolve = [](const nn::Conv2d& conv, const Tensor& input) {
    return nn::conv2d_relu_maxpool(input, conv.weight, conv.bias, conv.options);
  };
  Tensor y = x;
  for (int stage = first; stage < last; ++stage) {
    switch (stage) {
      case 0:
        y = nn::cast(y, nn::activation_type());
        y = convolve(conv1_, y);
        break;
      case 1:
        y = convolve(conv2_, y);
        break;
      case 2:
        y = convolve(conv3_, y);
        break;
      case 3:
        y = dropout_.forward(nn::cast(nn::relu(fc1_.forward(nn::flatten(y))), DType::f32));
        break;
      default:
        y = fc2_.forward(y);
        break;
    }
  }
  return y;
}

const std::vector<std::string>& Cnn::stages() const {
  static const std::vector<std::string> names{"conv1", "conv2", "conv3", "fc1", "fc"};
  return names;
}

std::vector<nn::Module*> Cnn::stage_modules(int stage) {
  switch (stage) {
    case 0:
      return {&conv1_};
    case 1:
      return {&conv2_};
    case 2:
      return {&conv3_};
    case 3:
      return {&fc1_, &dropout_};
    default:
      return {&fc2_};
  }
}

void Cnn::initialize(PhiloxKey key) {
  nn::initialize_defaults(*this, key);
}
void Cnn::initialize_head(PhiloxKey key) {
  nn::initialize_defaults(fc2_, key);
}

}  // namespace signet::models
