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
                           const Conv2dOptions& options) {
  const Conv2dShape s = shape_of(x, weight, bias, options);
  const Pool2dShape pool = pool_shape(Shape{s.batch, s.out_height(), s.out_width(), s.out_channels}, 2, 2, 0);
  const Gradient dx = gradient_of(x), dw = gradient_of(weight), db = gradient_of(bias);
  Tensor y =
      Tensor::empty({s.batch, pool.out_height(), pool.out_width(), pool.channels}, x.device(), x.dtype());
  Tensor places = dx || dw || db ? Tensor::empty(y.shape(), x.device(), DType::u8) : Tensor();
  // What lies between convolution and pool, where it is made as a whole.
  const auto room = [s](Device device, DType dtype) {
    return device.type == Device::Type::cpu ? Tensor() : Tensor::empty({s.out_size()}, device, dtype);
  };
  const Tensor convolved = room(x.device(), x.dtype());
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), conv2d_relu_maxpool_forward, y.data<act>(), places.data_u8(),
                  convolved.data<act>(), x.data<act>(), weight.data(), bias.data(), s);
  });
  record("conv2d_relu_maxpool", y, {dx, dw, db},
         [dx, dw, db, s, places, room, x_shape = x.shape(), w_shape = weight.shape(),
          x = dw ? Saved(x) : Saved(), w = dx ? weight.detach() : Tensor()](const Tensor& dy) {
           const Device device = dy.device();
           const Target to_b(db, {s.out_channels}, device), to_w(dw, w_shape, device);
           const Target to_x(dx, x_shape, device, dy.dtype());
           const Tensor input = x.get(), between = room(device, dy.dtype());
           with_activations(dy.dtype(), [&]<class act>() {
             SIGNET_LAUNCH(device, conv2d_relu_maxpool_backward, to_x.buffer.data<act>(), to_w.buffer.data(),
                           to_b.buffer.data(), between.data<act>(), dy.data<act>(), places.data_u8(),
                           input.data<act>(), w.data(), to_x.accumulate, to_w.accumulate, to_b.accumulate, s);
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
