#include <algorithm>
#include <tuple>

#include "nn/check.h"
#include "nn/functions.h"
#include "tensor/launch.h"

namespace signet::nn {
namespace {

Conv2dShape shape_of(const Tensor& x, const Tensor& w, const Tensor& bias, const Conv2dOptions& options) {
  require(x.shape().rank() == 4 && w.shape().rank() == 4 && x.shape()[3] == w.shape()[3], "conv2d",
          "input {} (NHWC) and weight {} (OHWI) do not fit", x.shape().to_string(), w.shape().to_string());
  require(!bias.defined() || bias.shape() == Shape{w.shape()[0]}, "conv2d", "bias {} does not fit weight {}",
          bias.defined() ? bias.shape().to_string() : "", w.shape().to_string());
  require(options.stride > 0 && options.padding >= 0 && options.dilation > 0, "conv2d",
          "stride {}, padding {}, dilation {} are not possible", options.stride, options.padding,
          options.dilation);
  Conv2dShape s;
  s.batch = x.shape()[0];
  s.in_height = x.shape()[1];
  s.in_width = x.shape()[2];
  s.in_channels = x.shape()[3];
  s.out_channels = w.shape()[0];
  s.kernel_height = w.shape()[1];
  s.kernel_width = w.shape()[2];
  s.stride = options.stride;
  s.padding = options.padding;
  s.dilation = options.dilation;
  require(s.in_height + 2 * s.padding > s.dilation * (s.kernel_height - 1) &&
              s.in_width + 2 * s.padding > s.dilation * (s.kernel_width - 1),
          "conv2d", "input {} with padding {} is smaller than the kernel {} with dilation {}",
          x.shape().to_string(), s.padding, w.shape().to_string(), s.dilation);
  return s;
}

Tensor empty_result(const Tensor& x, const Tensor& residual, const Conv2dShape& s) {
  Tensor y = Tensor::empty({s.batch, s.out_height(), s.out_width(), s.out_channels}, x.device(), x.dtype());
  require(!residual.defined() || residual.shape() == y.shape(), "conv2d",
          "residual {} does not fit the result {}", residual.defined() ? residual.shape().to_string() : "",
          y.shape().to_string());
  return y;
}

Tensor forward(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& residual, bool relu,
               const Conv2dShape& s) {
  Tensor y = empty_result(x, residual, s);
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), conv2d_forward, y.data<act>(), x.data<act>(), w.data(), bias.data(),
                  residual.data<act>(), relu, s);
  });
  return y;
}

/// Where a gradient is written, if it is needed at all: then `buffer` is defined.
struct Target {
  Target() = default;
  Target(const Gradient& gradient, const Shape& shape, Device device, DType dtype = DType::f32) {
    if (gradient) std::tie(buffer, accumulate) = gradient.target(shape, device, dtype);
  }
  Tensor buffer;
  Accumulate accumulate = Accumulate::no;
};

void backward(const Target& dx, const Target& dw, const Target& db, const Tensor& dy, const Tensor& x,
              const Tensor& w, const Conv2dShape& s) {
  with_activations(dy.dtype(), [&]<class act>() {
    if (db.buffer.defined()) {
      SIGNET_LAUNCH(dy.device(), sum_rows, db.buffer.data(), dy.data<act>(), dy.size() / s.out_channels,
                    s.out_channels, db.accumulate);
    }
    if (dw.buffer.defined()) {
      SIGNET_LAUNCH(dy.device(), conv2d_backward_weight, dw.buffer.data(), dy.data<act>(), x.data<act>(),
                    dw.accumulate, s);
    }
    if (dx.buffer.defined()) {
      SIGNET_LAUNCH(dy.device(), conv2d_backward_data, dx.buffer.data<act>(), dy.data<act>(), w.data(),
                    dx.accumulate, s);
    }
  });
}

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  const Conv2dShape s = shape_of(x, weight, bias, options);
  Tensor y = forward(x, weight, bias, {}, false, s);
  const Gradient dx = gradient_of(x), dw = gradient_of(weight), db = gradient_of(bias);
  record("conv2d", y, {dx, dw, db},
         [dx, dw, db, s, x_shape = x.shape(), w_shape = weight.shape(), x = dw ? Saved(x) : Saved(),
          w = dx ? weight.detach() : Tensor()](const Tensor& dy) {
           const Device device = dy.device();
           const Target to_b(db, {s.out_channels}, device), to_w(dw, w_shape, device);
           const Target to_x(dx, x_shape, device, dy.dtype());
           backward(to_x, to_w, to_b, dy, x.get(), w, s);
         });
  return y;
}

Tensor conv2d_relu_maxpool(const Tensor& x, const Tensor& weight, const Tensor& bias,
                           const Conv2dOptions& options, int64_t kernel, int64_t stride, int64_t padding) {
  const Conv2dShape s = shape_of(x, weight, bias, options);
  const Pool2dShape pool =
      pool_shape(Shape{s.batch, s.out_height(), s.out_width(), s.out_channels}, kernel, stride, padding);
  const Gradient dx = gradient_of(x), dw = gradient_of(weight), db = gradient_of(bias);
  const bool recorded = dx || dw || db;
  // What lies between convolution and pool is the largest image of a small network. A few of them at a time
  // stay in the cache, on the way back too.
  constexpr int64_t kCached = int64_t{2} << 20;
  const int64_t image = s.out_size() / std::max<int64_t>(s.batch, 1) * size_of(x.dtype());
  const int64_t group =
      x.device().on_host() ? std::max<int64_t>(1, kCached / std::max<int64_t>(1, image)) : s.batch;
  const auto for_groups = [s, pool, group](const auto& body) {
    int64_t begin = 0;
    do {  // once for no images too: their gradients are 0
      const int64_t end = std::min(s.batch, begin + group);
      Conv2dShape conv_of_group = s;
      Pool2dShape pool_of_group = pool;
      conv_of_group.batch = pool_of_group.batch = end - begin;
      body(begin, end, conv_of_group, pool_of_group);
      begin = end;
    } while (begin < s.batch);
  };
  Tensor y =
      Tensor::empty({s.batch, pool.out_height(), pool.out_width(), pool.channels}, x.device(), x.dtype());
  Tensor index = recorded ? Tensor::empty(y.shape(), x.device(), DType::i32) : Tensor();
  for_groups([&](int64_t begin, int64_t end, const Conv2dShape& conv, const Pool2dShape& pooled) {
    const Tensor between = forward(x.rows(begin, end), weight, bias, {}, false, conv);
    // ReLU and max-pool commute, bit for bit in both passes; as part of the pool ReLU costs nothing.
    with_activations(x.dtype(), [&]<class act>() {
      SIGNET_LAUNCH(x.device(), maxpool_forward, y.rows(begin, end).data<act>(),
                    recorded ? index.rows(begin, end).data_i32() : nullptr, between.data<act>(), true,
                    pooled);
    });
  });
  record("conv2d_relu_maxpool", y, {dx, dw, db},
         [=, x_shape = x.shape(), w_shape = weight.shape(), x = dw ? Saved(x) : Saved(),
          w = dx ? weight.detach() : Tensor()](const Tensor& dy) {
           const Device device = dy.device();
           Target to_b(db, {s.out_channels}, device), to_w(dw, w_shape, device);
           const Target to_x(dx, x_shape, device, dy.dtype());
           const Tensor input = x.get();
           for_groups([&](int64_t begin, int64_t end, const Conv2dShape& conv, const Pool2dShape& pooled) {
             Tensor between = Tensor::empty(
                 {conv.batch, conv.out_height(), conv.out_width(), conv.out_channels}, device, dy.dtype());
             with_activations(dy.dtype(), [&]<class act>() {
               SIGNET_LAUNCH(device, maxpool_backward, between.data<act>(), dy.rows(begin, end).data<act>(),
                             index.rows(begin, end).data_i32(), pooled);
             });
             Target to_images = to_x;
             if (to_x.buffer.defined()) to_images.buffer = to_x.buffer.rows(begin, end);
             backward(to_images, to_w, to_b, between, input.defined() ? input.rows(begin, end) : input, w,
                      conv);
             to_w.accumulate = to_b.accumulate = Accumulate::yes;
           });
         });
  return y;
}

namespace {

Shape prepared_shape(const Conv2dShape& s, DType dtype) {
  return {s.prepared_bytes() / size_of(dtype)};
}

void require_no_gradient(std::initializer_list<Tensor> inputs) {
  for (const Tensor& input : inputs) {
    if (gradient_of(input)) {
      throw std::logic_error("[conv2d_inference] an input needs a gradient, which this form does not record");
    }
  }
}

}  // namespace

Tensor conv2d_inference(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& residual,
                        bool relu, const Conv2dOptions& options) {
  require_no_gradient({x, weight, bias, residual});
  return forward(x, weight, bias, residual, relu, shape_of(x, weight, bias, options));
}

Tensor conv2d_prepare(const Tensor& x, const Tensor& weight, const Conv2dOptions& options) {
  const Conv2dShape s = shape_of(x, weight, {}, options);
  Tensor prepared = Tensor::empty(prepared_shape(s, x.dtype()), x.device(), x.dtype());
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), conv2d_prepare, prepared.data<act>(), weight.data(), s);
  });
  return prepared;
}

Tensor conv2d_inference_prepared(const Tensor& x, const Tensor& prepared, const Tensor& weight,
                                 const Tensor& bias, const Tensor& residual, bool relu,
                                 const Conv2dOptions& options) {
  require_no_gradient({x, bias, residual});
  const Conv2dShape s = shape_of(x, weight, bias, options);
  require(prepared.shape() == prepared_shape(s, x.dtype()), "conv2d",
          "prepared weights {} do not fit weight {}", prepared.shape().to_string(),
          weight.shape().to_string());
  Tensor y = empty_result(x, residual, s);
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), conv2d_forward_prepared, y.data<act>(), x.data<act>(), prepared.data<act>(),
                  bias.data(), residual.data<act>(), relu, s);
  });
  return y;
}

}  // namespace signet::nn
