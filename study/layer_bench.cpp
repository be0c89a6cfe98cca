#include "study/layer_bench.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/cpu/peak.h"
#include "kernels/parallel.h"
#include "nn/functions.h"
#include "study/process_info.h"
#include "tensor/error.h"
#include "tensor/launch.h"

namespace signet::study {
namespace {

constexpr double kGiga = 1e9;

Tensor random(const Shape& shape, uint64_t stream, DType dtype = DType::f32) {
  const Tensor x = Tensor::empty(shape);
  cpu::random_normal(x.data(), 0, 1, {17, stream}, x.size());
  return nn::cast(x, dtype);
}

}  // namespace

Peak measure_peak(DType activations) {
  constexpr int64_t kSteps = 20'000'000;
  constexpr int kRepetitions = 5;
  const int threads = num_threads();
  int64_t operations = 0;
  const double compute = median_seconds(1, kRepetitions, [&] {
    parallel_for(threads, [&](int64_t thread) {
      const int64_t done =
          activations == DType::bf16 ? cpu::multiply_and_add_bf16(kSteps) : cpu::multiply_and_add(kSteps);
      if (thread == 0) operations = done;
    });
  });
  const Tensor a = Tensor::full({int64_t{16} << 20}, 1), b = Tensor::full(a.shape(), 2),
               sum = Tensor::empty(a.shape());
  const double move =
      median_seconds(1, kRepetitions, [&] { cpu::add(sum.data(), a.data(), b.data(), sum.size()); });
  return {double(operations) * threads / compute / kGiga,
          3.0 * double(sum.size()) * sizeof(float) / move / kGiga};
}

std::vector<ConvLayer> conv_layers(models::Network& network, int64_t batch) {
  if (!network.architecture().starts_with("resnet")) {
    fail("--model {}: layers are listed for resnet18 and resnet34", network.architecture());
  }
  std::vector<ConvLayer> layers;
  int64_t side = network.input().size, next_side = side;
  for (const auto& parameter : network.parameters()) {
    const Shape& w = parameter.tensor->shape();
    if (w.rank() != 4) continue;
    const std::string name = parameter.name.substr(0, parameter.name.rfind('.'));
    // The first convolution of layer2, 3 and 4 and their projections halve the image, as does the stem, which
    // a pool follows.
    const bool stem = name == "conv1", projection = name.find("downsample") != name.npos;
    const bool halves = stem || (!name.starts_with("layer1.") && (name.ends_with(".0.conv1") || projection));
    if (!projection) side = next_side;
    Conv2dShape s;
    s.batch = batch;
    s.in_height = s.in_width = projection && halves ? 2 * side : side;
    s.in_channels = w[3];
    s.out_channels = w[0];
    s.kernel_height = s.kernel_width = w[1];
    s.stride = halves ? 2 : 1;
    s.padding = w[1] / 2;
    next_side = projection ? side : s.out_height();
    if (stem) next_side = (next_side + 1) / 2;
    const auto same = std::find_if(layers.begin(), layers.end(), [&](const ConvLayer& layer) {
      return layer.shape.in_height == s.in_height && layer.shape.in_channels == s.in_channels &&
             layer.shape.out_channels == s.out_channels && layer.shape.kernel_height == s.kernel_height &&
             layer.shape.stride == s.stride;
    });
    if (same != layers.end()) {
      ++same->count;
    } else {
      layers.push_back({name, 1, s});
    }
  }
  return layers;
}

double LayerTime::gflops() const {
  const Conv2dShape& s = layer.shape;
  return 2.0 * double(s.out_size() * s.kernel_height * s.kernel_width * s.in_channels) / seconds / kGiga;
}

double LayerTime::intensity() const {
  const Conv2dShape& s = layer.shape;
  const double bytes = double(s.in_size() + s.out_size()) * double(size_of(activations)) +
                       double(s.weight_size()) * sizeof(float);
  return gflops() * seconds * kGiga / bytes;
}

LayerTime time_layer(const ConvLayer& layer, cpu::ConvPass pass, DType activations, int repetitions) {
  const Conv2dShape& s = layer.shape;
  const Tensor x = random({s.in_size()}, 1, activations), y = random({s.out_size()}, 3, activations),
               w = random({s.weight_size()}, 2), bias = random({s.out_channels}, 4);
  LayerTime time{layer, pass, cpu::conv_algorithm(pass, s), activations, 0};
  with_activations(activations, [&]<class act>() {
    act *const xs = x.data<act>(), *const ys = y.data<act>();
    time.seconds = median_seconds(1, repetitions, [&] {
      switch (pass) {
        case cpu::ConvPass::forward:
          return cpu::conv2d_forward<act>(ys, xs, w.data(), bias.data(), nullptr, true, s);
        case cpu::ConvPass::backward_data:
          return cpu::conv2d_backward_data<act>(xs, ys, w.data(), Accumulate::no, s);
        case cpu::ConvPass::backward_weight:
          return cpu::conv2d_backward_weight<act>(w.data(), ys, xs, Accumulate::no, s);
      }
    });
  });
  return time;
}

std::vector<LayerTime> time_algorithms(const ConvLayer& layer, cpu::ConvPass pass, DType activations,
                                       int repetitions) {
  std::vector<LayerTime> times;
  for (const auto algorithm : cpu::conv_algorithms(pass, layer.shape)) {
    cpu::set_conv_choices({{pass, layer.shape, algorithm}});
    times.push_back(time_layer(layer, pass, activations, repetitions));
  }
  cpu::set_conv_choices({});
  std::sort(times.begin(), times.end(),
            [](const LayerTime& a, const LayerTime& b) { return a.seconds < b.seconds; });
  return times;
}

}  // namespace signet::study
