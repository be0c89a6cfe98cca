#include "nn/layers.h"

#include <algorithm>
#include <initializer_list>

#include "tensor/graph.h"
#include "tensor/launch.h"

namespace signet::nn {

Conv2d::Conv2d(int64_t in_channels, int64_t out_channels, int64_t kernel, Conv2dOptions options_,
               bool with_bias, Device device)
    : weight(Tensor::zeros({out_channels, kernel, kernel, in_channels}, device)), options(options_) {
  add_parameter("weight", weight, FileLayout::channels_first);
  if (with_bias) {
    bias = Tensor::zeros({out_channels}, device);
    add_parameter("bias", bias);
  }
}

BatchNorm2d::BatchNorm2d(int64_t channels, Device device, double momentum_, double eps_)
    : weight(Tensor::full({channels}, 1, device)),
      bias(Tensor::zeros({channels}, device)),
      running_mean(Tensor::zeros({channels}, device)),
      running_var(Tensor::full({channels}, 1, device)),
      momentum(momentum_),
      eps(eps_) {
  add_parameter("weight", weight);
  add_parameter("bias", bias);
  add_buffer("running_mean", running_mean);
  add_buffer("running_var", running_var);
}

Tensor BatchNorm2d::forward(const Tensor& x, const Tensor& residual, bool relu) {
  const BatchNormTensors tensors{weight, bias, running_mean, running_var};
  if (!uses_batch_statistics()) return batchnorm_eval(x, tensors, residual, relu, eps);
  do_at_each_launch([this] { ++batches_tracked; });
  return batchnorm_train(x, tensors, residual, relu, momentum, eps);
}

namespace {

bool any_needs_gradient(std::initializer_list<Tensor> tensors) {
  return std::any_of(tensors.begin(), tensors.end(), [](const Tensor& t) { return bool(gradient_of(t)); });
}

}  // namespace

Tensor conv_bn(const Tensor& x, const Conv2d& conv, BatchNorm2d& bn, const Tensor& residual, bool relu) {
  if (any_needs_gradient({x, residual, conv.weight, conv.bias, bn.weight, bn.bias}) ||
      bn.uses_batch_statistics()) {
    return bn.forward(conv.forward(x), residual, relu);
  }

  // Versions only grow, so their sum changes with any of them.
  uint64_t version = 1;
  for (const Tensor& t : {conv.weight, conv.bias, bn.weight, bn.bias, bn.running_mean, bn.running_var}) {
    if (t.defined()) version += t.version();
  }
  auto& folded = bn.folded_;
  if (folded.version != version) {
    const int64_t channels = bn.weight.size();
    folded = {.weight = Tensor::empty(conv.weight.shape(), conv.weight.device()),
              .bias = Tensor::empty({channels}, conv.weight.device()),
              .version = version,
              .prepared = {},
              .image = {}};
    SIGNET_LAUNCH(conv.weight.device(), batchnorm_fold, folded.weight.data(), folded.bias.data(),
                  conv.weight.data(), conv.bias.data(), bn.weight.data(), bn.bias.data(),
                  bn.running_mean.data(), bn.running_var.data(), bn.eps, channels,
                  conv.weight.size() / channels);
  }
  // Preparing the weights of ResNet18 takes as long as an image; kept, they take 45 MB. That is for
  // those who only infer: a training step may be recorded (tensor/graph.h), and would then hold memory that
  // is let go of here.
  constexpr int64_t kSmallBatch = 8;
  const bool small = NoGrad::in_force() && x.shape()[0] <= kSmallBatch;
  const Shape image = small ? Shape{x.shape()[1], x.shape()[2]} : Shape();
  if (!small || folded.image != image) {
    folded.prepared = Tensor();
    folded.image = image;
    return conv2d_inference(x, folded.weight, folded.bias, residual, relu, conv.options);
  }
  if (!folded.prepared.defined()) folded.prepared = conv2d_prepare(x, folded.weight, conv.options);
  return conv2d_inference_prepared(x, folded.prepared, folded.weight, folded.bias, residual, relu,
                                   conv.options);
}

Tensor conv_bn_relu_maxpool(const Tensor& x, const Conv2d& conv, BatchNorm2d& bn, int64_t kernel,
                            int64_t stride, int64_t padding) {
  if (any_needs_gradient({x, conv.weight, conv.bias, bn.weight, bn.bias})) {
    return maxpool(conv_bn(x, conv, bn), kernel, stride, padding, true);
  }
  const auto infer = [&](const Tensor& images) {
    return maxpool(conv_bn(images, conv, bn, {}, true), kernel, stride, padding);
  };
  const int64_t batch = x.shape()[0];
  if (!x.device().on_host() || bn.uses_batch_statistics() || x.size() == 0) return infer(x);
  // What the pool reads is the largest image of a network. A few of them at a time stay in the cache, and
  // memory for all is never taken.
  constexpr int64_t kCached = int64_t{8} << 20;
  const int64_t image = x.size() / x.shape()[0] / conv.weight.shape()[3] * conv.weight.shape()[0] /
                        (conv.options.stride * conv.options.stride) * size_of(x.dtype());
  const int64_t group = std::max<int64_t>(1, kCached / std::max<int64_t>(1, image));
  if (group >= batch) return infer(x);
  Tensor y;
  for (int64_t begin = 0; begin < batch; begin += group) {
    const int64_t end = std::min(batch, begin + group);
    const Tensor pooled = infer(x.rows(begin, end));
    if (!y.defined()) {
      auto extents = pooled.shape().extents();
      extents[0] = batch;
      y = Tensor::empty(Shape(extents), x.device(), x.dtype());
    }
    y.rows(begin, end).copy_from(pooled);
  }
  return y;
}

Linear::Linear(int64_t in, int64_t out, Device device, Shape flattened_image)
    : weight(Tensor::zeros({out, in}, device)), bias(Tensor::zeros({out}, device)) {
  if (flattened_image.rank() == 3) {
    add_parameter("weight", weight, FileLayout::channels_first,
                  Shape{out, flattened_image[0], flattened_image[1], flattened_image[2]});
  } else {
    add_parameter("weight", weight);
  }
  add_parameter("bias", bias);
}

}  // namespace signet::nn
