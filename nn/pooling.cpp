#include "nn/check.h"
#include "nn/functions.h"
#include "tensor/launch.h"

namespace signet::nn {

Pool2dShape pool_shape(const Shape& x, int64_t kernel, int64_t stride, int64_t padding) {
  require(x.rank() == 4, "maxpool", "input {} is not NHWC", x.to_string());
  require(kernel > 0 && stride > 0 && padding >= 0 && 2 * padding <= kernel, "maxpool",
          "kernel {}, stride {}, padding {} are not possible", kernel, stride, padding);
  const Pool2dShape s{x[0], x[1], x[2], x[3], kernel, stride, padding};
  require(s.in_height + 2 * padding >= kernel && s.in_width + 2 * padding >= kernel, "maxpool",
          "input {} is smaller than the window {}", x.to_string(), kernel);
  return s;
}

Tensor maxpool(const Tensor& x, int64_t kernel, int64_t stride, int64_t padding, bool relu) {
  const Pool2dShape s = pool_shape(x.shape(), kernel, stride, padding);
  const Gradient dx = gradient_of(x);
  Tensor y = Tensor::empty({s.batch, s.out_height(), s.out_width(), s.channels}, x.device(), x.dtype());
  Tensor index = dx ? Tensor::empty(y.shape(), x.device(), DType::i32) : Tensor();
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), maxpool_forward, y.data<act>(), dx ? index.data_i32() : nullptr, x.data<act>(),
                  relu, s);
  });
  record("maxpool", y, {dx}, [dx, index, s](const Tensor& dy) {
    Tensor result = Tensor::empty({s.batch, s.in_height, s.in_width, s.channels}, dy.device(), dy.dtype());
    with_activations(dy.dtype(), [&]<class act>() {
      SIGNET_LAUNCH(dy.device(), maxpool_backward, result.data<act>(), dy.data<act>(), index.data_i32(), s);
    });
    dx.add(result);
  });
  return y;
}

Tensor global_avgpool(const Tensor& x) {
  require(x.shape().rank() == 4, "global_avgpool", "input {} is not NHWC", x.shape().to_string());
  const int64_t batch = x.shape()[0], pixels = x.shape()[1] * x.shape()[2], channels = x.shape()[3];
  Tensor y = Tensor::empty({batch, channels}, x.device());
  with_activations(x.dtype(), [&]<class act>() {
    SIGNET_LAUNCH(x.device(), global_avgpool_forward, y.data(), x.data<act>(), batch, pixels, channels);
  });
  const Gradient dx = gradient_of(x);
  record("global_avgpool", y, {dx},
         [dx, batch, pixels, channels, shape = x.shape(), dtype = x.dtype()](const Tensor& dy) {
           Tensor result = Tensor::empty(shape, dy.device(), dtype);
           with_activations(dtype, [&]<class act>() {
             SIGNET_LAUNCH(dy.device(), global_avgpool_backward, result.data<act>(), dy.data(), batch, pixels,
                           channels);
           });
           dx.add(result);
         });
  return y;
}

}  // namespace signet::nn
