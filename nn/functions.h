#pragma once
// Differentiable functions of tensors. Each launches one forward kernel and, where an input needs a gradient,
// records the backward kernels of exactly those inputs: a frozen weight costs no dW, a frozen prefix nothing
// at all.

#include "kernels/philox.h"
#include "tensor/autograd.h"
#include "tensor/tensor.h"

namespace signet::nn {

struct Conv2dOptions {
  int64_t stride = 1, padding = 0, dilation = 1;
};

/// x [batch, height, width, in_channels], weight [out_channels, kernel_height, kernel_width, in_channels],
/// bias [out_channels] or undefined -> [batch, out_height, out_width, out_channels]. Throws
/// std::invalid_argument naming the shapes if they do not fit, or if the kernel is larger than the padded
/// image.
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options);

/// The inference form: convolution, bias, residual (shaped as the result, or undefined) and ReLU in one
/// kernel. Records nothing. Throws std::logic_error if an input needs a gradient.
Tensor conv2d_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                        bool relu, const Conv2dOptions& options);

/// The weights in the form that the device's convolution reads, for images of x's height and width in batches
/// of any size; a few times as large as the weights.
Tensor conv2d_prepare(const Tensor& x, const Tensor& weight, const Conv2dOptions& options);

/// conv2d_inference, bit for bit, with what conv2d_prepare made of `weight`, of which only the shape is used.
Tensor conv2d_inference_prepared(const Tensor& x, const Tensor& prepared, const Tensor& weight,
                                 const Tensor& bias, const Tensor& residual, bool relu,
                                 const Conv2dOptions& options);

/// The tensors of a batchnorm, each [channels].
struct BatchNormTensors {
  Tensor weight, bias, running_mean, running_var;
};

/// Normalises x [..., channels] by the batch's own statistics, which also move the running ones (momentum as
/// PyTorch's: the weight of the new), then adds residual (if defined) and applies ReLU (if asked). Throws
/// Error if there is one value a channel only.
Tensor batchnorm_train(const Tensor& x, const BatchNormTensors& bn, const Tensor& residual, bool relu,
                       double momentum, double eps);

/// The same by the running statistics.
Tensor batchnorm_eval(const Tensor& x, const BatchNormTensors& bn, const Tensor& residual, bool relu,
                      double eps);

/// x as f32 or bf16, rounded to the nearest. All functions above and relu, add, linear and the pools below
/// take either type of activation, and give what they are given; parameters are f32, sums are made in f32.
Tensor cast(const Tensor& x, DType dtype);
Tensor relu(const Tensor& x);
Tensor add(const Tensor& a, const Tensor& b);
/// [batch, ...] -> [batch, the rest].
Tensor flatten(const Tensor& x);
/// x [batch, in], weight [out, in], bias [out] or undefined -> [batch, out], in f32 or bf16 as x is.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias);
/// A key as a tensor: where a kernel finds it, and a recorded one (tensor/graph.h) whichever is there then.
Tensor key_tensor(PhiloxKey key, Device device = {});
/// Zeroes each element with the given probability (as key, a key_tensor on x's device, decides) and scales
/// the others to keep the mean. The key may not change before the backward pass, which draws the mask again.
Tensor dropout(const Tensor& x, double probability, const Tensor& key);
/// x [batch, height, width, channels]. With `relu` its ReLU, which costs nothing more.
Tensor maxpool(const Tensor& x, int64_t kernel, int64_t stride, int64_t padding, bool relu = false);
/// maxpool(relu(conv2d(x, weight, bias, options))) by windows of 2x2. What lies between them is not kept, and
/// on the CPU never made as a whole.
Tensor conv2d_relu_maxpool(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const Conv2dOptions& options);
/// [batch, height, width, channels] -> [batch, channels] in f32.
Tensor global_avgpool(const Tensor& x);

/// Mean cross-entropy of logits [batch, classes] against target (i32) [batch], a tensor of size 1.
/// class_weight [classes] may be undefined. Throws std::invalid_argument for a target outside [0, classes);
/// on a CUDA device it is for the caller to see that there is none.
Tensor cross_entropy(const Tensor& logits, const Tensor& target, double label_smoothing = 0,
                     const Tensor& class_weight = {});
/// Probabilities of logits [batch, classes]; not recorded.
Tensor softmax(const Tensor& logits);

}  // namespace signet::nn
