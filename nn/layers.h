#pragma once

#include "nn/functions.h"
#include "nn/module.h"

namespace signet::nn {

/// Convolution with a square kernel; parameters "weight" [out, kernel, kernel, in] and, with a bias, "bias"
/// [out].
class Conv2d : public Module {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, int64_t kernel, Conv2dOptions options = {},
         bool with_bias = true, Device device = {});
  Tensor forward(const Tensor& x) const { return conv2d(x, weight, bias, options); }

  Tensor weight, bias;
  Conv2dOptions options;
};

/// Batch normalisation over the last axis; PyTorch's defaults. Uses the batch's own statistics, and moves the
/// running ones, when in training mode with batch_statistics(); else the running ones, which then stay as
/// they are.
class BatchNorm2d : public Module {
 public:
  explicit BatchNorm2d(int64_t channels, Device device = {}, double momentum = 0.1, double eps = 1e-5);
  /// Normalise, then add residual (if defined), then ReLU (if asked).
  Tensor forward(const Tensor& x, const Tensor& residual = {}, bool relu = false);
  bool uses_batch_statistics() const { return training() && batch_statistics(); }

  Tensor weight, bias, running_mean, running_var;
  /// How many batches have moved the running statistics ("num_batches_tracked" in checkpoints).
  int64_t batches_tracked = 0;
  double momentum, eps;

 private:
  friend Tensor conv_bn(const Tensor&, const Conv2d&, BatchNorm2d&, const Tensor&, bool);
  /// The convolution before this layer with the layer folded in, as of `version`.
  struct Folded {
    Tensor weight, bias;
    uint64_t version = 0;
    /// The weights prepared for images as large as the last, where those come in small batches; undefined
    /// after the first such batch, which may be the last of many large ones.
    Tensor prepared;
    Shape image;  ///< [height, width] of the last small batch
  };
  Folded folded_;
};

/// bn(conv(x)) (+ residual) (then ReLU), by the cheapest way that the state of the layers allows: where
/// nothing needs a gradient and the statistics are fixed, one fused inference kernel with the batchnorm
/// folded into the weights.
Tensor conv_bn(const Tensor& x, const Conv2d& conv, BatchNorm2d& bn, const Tensor& residual = {},
               bool relu = false);

/// maxpool(relu(bn(conv(x)))). ReLU and max-pool commute, bit for bit in both passes: where a gradient is
/// needed ReLU comes last, as part of the pool, and the tape keeps the places of the maxima only.
Tensor conv_bn_relu_maxpool(const Tensor& x, const Conv2d& conv, BatchNorm2d& bn, int64_t kernel,
                            int64_t stride, int64_t padding);

/// Fully connected; parameters "weight" [out, in] and "bias" [out]. If the input is a flattened image, its
/// shape [height, width, channels] lets checkpoints keep PyTorch's channels-first order of columns.
class Linear : public Module {
 public:
  Linear(int64_t in, int64_t out, Device device = {}, Shape flattened_image = {});
  Tensor forward(const Tensor& x) const { return linear(x, weight, bias); }

  Tensor weight, bias;
};

/// Zeroes elements with the given probability in training mode, the mask drawn from random_key().
class Dropout : public Module {
 public:
  explicit Dropout(double probability_) : probability(probability_) {}
  Tensor forward(const Tensor& x) const {
    return training() ? dropout(x, probability, random_key(x.device())) : x;
  }

  double probability;
};

}  // namespace signet::nn
