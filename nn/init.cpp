#include "nn/init.h"

#include <cmath>

#include "nn/layers.h"
#include "tensor/hash.h"
#include "tensor/launch.h"

namespace signet::nn {
namespace {

struct Fans {
  double in, out;
};

/// For weights [out, in] and [out, height, width, in].
Fans fans_of(const Tensor& weight) {
  const auto& s = weight.shape();
  const double area = s.rank() == 4 ? double(s[1] * s[2]) : 1.0;
  return {area * double(s[-1]), area * double(s[0])};
}

void uniform(const Tensor& t, double bound, PhiloxKey key) {
  SIGNET_LAUNCH(t.device(), random_uniform, t.data(), -bound, bound, key, t.size());
  t.mark_modified();
}

void initialize(Module& module, PhiloxKey key, bool resnet) {
  module.visit([&](const std::string& name, Module& m) {
    const auto weight_key = philox_derive(key, fnv1a(name), 0), bias_key = philox_derive(key, fnv1a(name), 1);
    auto* conv = dynamic_cast<Conv2d*>(&m);
    auto* linear = dynamic_cast<Linear*>(&m);
    if (!conv && !linear) return;
    const Tensor weight = conv ? conv->weight : linear->weight, bias = conv ? conv->bias : linear->bias;
    if (conv && resnet) {
      kaiming_normal_fan_out(weight, weight_key);
    } else {
      kaiming_uniform(weight, std::sqrt(5.0), weight_key);
    }
    if (bias.defined()) uniform(bias, 1 / std::sqrt(fans_of(weight).in), bias_key);
  });
}

}  // namespace

void kaiming_uniform(const Tensor& weight, double slope, PhiloxKey key) {
  uniform(weight, std::sqrt(6.0 / ((1 + slope * slope) * fans_of(weight).in)), key);
}

void kaiming_normal_fan_out(const Tensor& weight, PhiloxKey key) {
  const double deviation = std::sqrt(2.0 / fans_of(weight).out);
  SIGNET_LAUNCH(weight.device(), random_normal, weight.data(), 0.0, deviation, key, weight.size());
  weight.mark_modified();
}

void xavier_uniform(const Tensor& weight, PhiloxKey key) {
  const Fans fans = fans_of(weight);
  uniform(weight, std::sqrt(6.0 / (fans.in + fans.out)), key);
}

void initialize_defaults(Module& module, PhiloxKey key) {
  initialize(module, key, false);
}
void initialize_resnet(Module& module, PhiloxKey key) {
  initialize(module, key, true);
}

}  // namespace signet::nn
