#pragma once
// Initialisation of weights, PyTorch's formulas. fan_in is the number of inputs of one output (for a
// convolution: kernel area times input channels), fan_out the number of outputs that one input reaches.

#include "nn/module.h"
#include "tensor/tensor.h"

namespace signet::nn {

/// Uniform in ±sqrt(6 / ((1 + slope^2) fan_in)) (He et al. 2015).
void kaiming_uniform(const Tensor& weight, double slope, PhiloxKey key);
/// Normal with deviation sqrt(2 / fan_out), for convolutions before ReLU (He et al. 2015, mode fan_out).
void kaiming_normal_fan_out(const Tensor& weight, PhiloxKey key);
/// Uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).
void xavier_uniform(const Tensor& weight, PhiloxKey key);

/// PyTorch's defaults for every Conv2d and Linear below: weight kaiming_uniform with slope sqrt(5), that is
/// uniform in ±1/sqrt(fan_in), and bias uniform in the same range. Each tensor draws from (key, its name).
void initialize_defaults(Module& module, PhiloxKey key);
/// torchvision's ResNet: convolutions kaiming_normal_fan_out, batchnorms 1 and 0, linear layers as by
/// default.
void initialize_resnet(Module& module, PhiloxKey key);

}  // namespace signet::nn
