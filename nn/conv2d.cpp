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

}  // namespace

Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  const Conv2dShape s = shape_of(x, weight, bias, options);
  Tensor y = forward(x, weight, bias, {}, false, s);
  const Gradient dx = gradient_of(x), dw = gradient_of(weight), db = gradient_of(bias);
  record("conv2d", y, {dx, dw, db},
         [dx, dw, db, s, x_shape = x.shape(), w_shape = weight.shape(), dtype = x.dtype(),
          x = dw ? Saved(x) : Saved(), w = dx ? weight.detach() : Tensor()](const Tensor& dy) {
           const Device device = dy.device();
           if (db) {
             const auto [buffer, accumulate] = db.target({s.out_channels}, device);
             with_activations(dtype, [&, &buffer = buffer, accumulate = accumulate]<class act>() {
               SIGNET_LAUNCH(device, sum_rows, buffer.data(), dy.data<act>(), dy.size() / s.out_channels,
                             s.out_channels, accumulate);
             });
           }
           if (dw) {
             const auto [buffer, accumulate] = dw.target(w_shape, device);
             with_activations(dtype, [&, &buffer = buffer, accumulate = accumulate]<class act>() {
               SIGNET_LAUNCH(device, conv2d_backward_weight, buffer.data(), dy.data<act>(),
                             x.get().data<act>(), accumulate, s);
             });
           }
           if (dx) {
             const auto [buffer, accumulate] = dx.target(x_shape, device, dtype);
             with_activations(dtype, [&, &buffer = buffer, accumulate = accumulate]<class act>() {
               SIGNET_LAUNCH(device, conv2d_backward_data, buffer.data<act>(), dy.data<act>(), w.data(),
                             accumulate, s);
             });
           }
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
